#pragma once

#include "actors/interfaces.hpp"
#include "http/limits.hpp"
#include "http/listener.hpp"

#include <prometheus/registry.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace vp::http {

/// The actors that answer, and where everybody counts.
struct backend {
  caf::actor_system& system; ///< must outlive the server
  session_manager_actor sessions;
  catalog_actor catalog;
  event_hub_actor events;
  job_queue_actor queue;
  dispatcher_actor dispatcher;
  job_manager_actor jobs;
  std::shared_ptr<prometheus::Registry> registry;
};

struct server_config {
  unsigned threads = 2;
  std::filesystem::path data_dir = "data"; ///< its `uploads` is served at `/media/uploads`
  std::filesystem::path client_dir;        ///< the pages, with the libraries below `lib`; may be empty
  std::string url; ///< where other servers of the same data folder reach this one; empty: there are none
  http::limits limits;
};

/// The HTTP server. It has no state of its own: what it knows it asks the actors for, and files come straight from
/// disk.
class server {
public:
  server(server_config config, backend actors);
  ~server(); ///< stops at once

  /// Serves on `port`. `io_failed` when a folder can't be had. Raises the process's limit of open files to what the
  /// system allows.
  result<void> start(listener port);

  /// Accepts no more, ends streams and idle connections, lets responses under way finish for at most `grace`. Blocks
  /// until all is over. Again is harmless.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(5));

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace vp::http
