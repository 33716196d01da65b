#include "actors/node_link.hpp"

#include "actors/error.hpp"
#include "nodes/openssl_calls.hpp"

#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>
#include <fmt/format.h>

#include <set>
#include <utility>

namespace vp {

namespace {

// A handshake that is under way at a tick is dropped, so they must not be too close.
constexpr caf::timespan heartbeat = std::chrono::seconds(2);
constexpr caf::timespan silence = std::chrono::seconds(10);

} // namespace

node_config::node_config(std::vector<std::string> identifiers, const std::optional<nodes::identity>& identity) {
  add_node_message_types(*this);
  load<caf::io::middleman>();
  set("middleman.heartbeat-interval", heartbeat);
  set("middleman.connection-timeout", silence);
  set("middleman.app-identifiers", std::move(identifiers));
  if (!identity)
    return;
  load<caf::openssl::manager>();
  nodes::clear_openssl_errors();
  // Without all three CAF would silently take anybody.
  openssl_certificate = identity->certificate.string();
  openssl_key = identity->key.string();
  openssl_cafile = identity->authority.string();
}

result<std::uint16_t> publish(caf::actor_system& system, const node_gate_actor& gate, const std::string& address,
                              std::uint16_t port, transport how) {
  if (how == transport::tls && !system.openssl_manager().authentication_enabled())
    return fail(errc::internal, "there are no certificates");
  const auto bound = how == transport::tls ? caf::openssl::publish(gate, port, address.c_str(), true)
                                           : system.middleman().publish(gate, port, address.c_str(), true);
  if (!bound)
    return fail(errc::io_failed,
                fmt::format("can't listen for nodes on {}:{}: {}", address, port, system.render(bound.error())));
  return *bound;
}

result<node_gate_actor> connect(caf::actor_system& system, const std::string& host, std::uint16_t port, transport how,
                                caf::timespan limit) {
  const auto place = fmt::format("{}:{}", host, port);
  const auto& middleman =
      how == transport::tls ? system.openssl_manager().actor_handle() : system.middleman().actor_handle();
  caf::scoped_actor self{system};
  result<node_gate_actor> answer = fail(errc::internal, "unreachable");
  self->request(middleman, limit, caf::connect_atom_v, host, port)
      .receive(
          [&](const caf::node_id&, const caf::strong_actor_ptr& found, const std::set<std::string>& interface) {
            if (!found || !system.assignable<node_gate_actor>(interface))
              answer = fail(errc::conflict, place + " is no VidPipeline server of this version");
            else
              answer = caf::actor_cast<node_gate_actor>(found);
          },
          [&](const caf::error& problem) {
            answer = fail(errc::io_failed, "can't connect to " + place + ": " + system.render(problem));
          });
  return answer;
}

} // namespace vp
