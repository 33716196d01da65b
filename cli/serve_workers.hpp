#pragma once

#include "actors/node_link.hpp"
#include "nodes/door.hpp"
#include "nodes/local_workers.hpp"
#include "nodes/passes.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace vp::cli {

/// Whether a worker can do with so many bytes of memory and so many of them for its cache. Error: `invalid_request`.
result<void> check_worker_memory(std::uint64_t memory, std::uint64_t cache);

/// What `serve` is told about its workers.
struct serve_worker_options {
  std::uint32_t workers = 1; ///< of its own, on this machine
  std::uint64_t memory = std::uint64_t{3} << 30U;
  std::uint64_t cache = std::uint64_t{32} << 20U;
  std::string nodes; ///< ADDRESS:PORT where workers on other machines join; empty for none
  std::string certs = "certs";
  std::string name = "server"; ///< of its certificate
};

void add_worker_options(CLI::App& command, serve_worker_options& options);

/// How workers come to a server: those that it starts itself through a port on this machine, with a pass that only they
/// are given; those on other machines through the door, with certificates, and it gives them theirs.
class node_entrance {
public:
  /// Looks at the certificates, where some are wanted. Errors are for people.
  static result<node_entrance> prepare(serve_worker_options options);

  /// For the actor system that `open` is called with.
  std::unique_ptr<caf::actor_system_config> actor_config() const;

  /// Those that the gate must know.
  const std::shared_ptr<const nodes::passes>& passes() const { return passes_; }

  /// Publishes the gate, opens the door and starts the workers of this machine.
  result<void> open(caf::actor_system& system, const node_gate_actor& gate, const std::string& log_level,
                    const std::string& log_format);

  /// Ends the workers of this machine.
  void close();

private:
  serve_worker_options options_;
  std::string identifier_; ///< of the port for this machine's workers; no secret: it is told to whoever connects
  std::shared_ptr<const nodes::passes> passes_ = std::make_shared<nodes::passes>();
  std::string host_; ///< of `--nodes`
  std::uint16_t port_ = 0;
  std::optional<nodes::identity> identity_;
  std::string authority_; ///< fingerprint
  std::unique_ptr<nodes::door> door_;
  std::unique_ptr<nodes::local_workers> workers_;
};

} // namespace vp::cli
