#pragma once

#include "actors/node_interfaces.hpp"
#include "actors/pipeline.hpp"
#include "nodes/certificates.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vp {

/// CAF with its network, as servers and workers use it: a peer that is silent for 10 s is gone, and only who knows one
/// of our identifiers gets further than the first message. With an identity there is TLS, which both ends must prove to
/// be of the same authority.
class node_config : public system_config {
public:
  explicit node_config(std::vector<std::string> identifiers, const std::optional<nodes::identity>& identity = {});
};

enum class transport : std::uint8_t { plain, tls };

/// Makes `gate` reachable at this address and port (0: any); answers the port.
result<std::uint16_t> publish(caf::actor_system& system, const node_gate_actor& gate, const std::string& address,
                              std::uint16_t port, transport how);

/// The gate of the server at this place. Blocks, at most for `limit`. Errors: `io_failed` when it can't be reached,
/// `conflict` when something else answers there.
result<node_gate_actor> connect(caf::actor_system& system, const std::string& host, std::uint16_t port, transport how,
                                caf::timespan limit);

} // namespace vp
