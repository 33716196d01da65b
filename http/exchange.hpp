#pragma once

#include "actors/ask.hpp"
#include "http/body_reader.hpp"
#include "http/service.hpp"
#include "http/target.hpp"

#include <span>
#include <string>
#include <utility>

namespace vp::http {

/// A request on its way to a handler.
struct exchange {
  service& app;
  const request_head& head;
  const target& where;
  std::span<const std::string> arguments; ///< what stands for the `{...}` of the route's pattern
  body_reader& body;
  connection& client;

  /// Asks an actor, for at most `timeout`.
  template <class R, class Handle, class... Ts>
  asio::awaitable<result<R>> ask(const Handle& whom, std::chrono::milliseconds timeout, Ts... args) const {
    return vp::ask<R>(app.actors.system, whom, timeout, std::move(args)...);
  }

  const http::limits& limits() const { return app.config.limits; }
};

} // namespace vp::http
