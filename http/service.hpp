#pragma once

#include "http/file_root.hpp"
#include "http/metrics.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

#include <atomic>
#include <optional>

namespace vp::http {

/// What all connections share. Nothing in it changes while the server runs, but counters.
struct service {
  service(server_config settings, backend answerers, file_root uploads, std::optional<file_root> client)
      : config(std::move(settings)), actors(std::move(answerers)), media(std::move(uploads)), pages(std::move(client)),
        measures(*actors.registry) {}

  server_config config;
  backend actors;
  file_root media;
  std::optional<file_root> pages;
  metrics measures;
  http::router router;
  std::atomic<std::size_t> connections = 0;
};

} // namespace vp::http
