#include "actors/node_gate.hpp"

#include "actors/error.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

namespace vp {

namespace {

using gate_pointer = node_gate_actor::stateful_pointer<node_gate_state>;
using admission = caf::typed_response_promise<slot_link_actor, worker_limits>;

/// Whether there is room for this worker besides those that are here.
result<void> check_place(const node_gate_state& state, const node_hello& hello) {
  const auto& node = hello.where.node;
  if (state.members.contains(hello.run))
    return fail(errc::invalid_request, "this worker has joined before");
  std::size_t slots = 0;
  for (const auto& [run, one] : state.members) {
    if (one.where.node != node || (hello.before && hello.before->run == run))
      continue;
    // Whoever is in its place may be about to be missed.
    if (one.where.run != hello.where.run)
      return fail(errc::overloaded, "another node is here by the name of " + node);
    if (one.where.slot == hello.where.slot)
      return fail(errc::overloaded, fmt::format("slot {} of {} is taken", hello.where.slot, node));
    ++slots;
  }
  if (slots >= state.config.slots_per_node)
    return fail(errc::conflict, fmt::format("{} has {} slots, and no node may have more", node, slots));
  return {};
}

result<node_hello> check(const node_gate_state& state, const std::string& text) {
  auto hello = parse_hello(text);
  if (!hello)
    return hello;
  // It may be one of the server's run before this, and the next one is good.
  if (!state.config.passes->good(hello->where.node, hello->pass))
    return fail(errc::overloaded, "the worker has no pass for the name of " + hello->where.node);
  if (auto same = check_versions(state.config.versions, hello->versions); !same)
    return tl::unexpected(same.error());
  if (auto room = check_place(state, *hello); !room)
    return tl::unexpected(room.error());
  return hello;
}

caf::error refuse(const error& why) {
  spdlog::warn("a worker is refused: {}", why.text);
  return to_caf(why);
}

void admit(gate_pointer self, const node_hello& hello, const worker_actor& worker, admission answer) {
  auto& state = self->state;
  if (auto room = check_place(state, hello); !room) { // another one may have come meanwhile
    answer.deliver(refuse(room.error()));
    return;
  }
  auto slot = self->spawn<caf::monitored>(worker_slot, state.config.slot, worker);
  state.members[hello.run] = {slot, hello.where};
  spdlog::info("node {}: slot {} has joined", hello.where.node, hello.where.slot);
  answer.deliver(slot_link_actor{slot}, state.config.limits);
  // After the answer: the worker must know its slot when the first task comes.
  self->send(state.config.dispatcher, register_atom_v, encoder_actor{slot}, hello.where);
}

} // namespace

node_gate_state::~node_gate_state() {
  for (auto& [run, one] : members)
    caf::anon_send_exit(one.slot, caf::exit_reason::user_shutdown);
}

node_gate_actor::behavior_type node_gate(gate_pointer self, node_gate_config config) {
  self->state.config = std::move(config);
  self->set_down_handler([self](const caf::down_msg& down) {
    std::erase_if(self->state.members, [&](const auto& one) {
      if (one.second.slot.address() != down.source)
        return false;
      spdlog::info("node {}: slot {} has left", one.second.where.node, one.second.where.slot);
      return true;
    });
  });
  return {
      [self](join_atom, const std::string& text,
             const worker_actor& worker) -> caf::result<slot_link_actor, worker_limits> {
        auto& state = self->state;
        auto hello = check(state, text);
        if (!hello)
          return refuse(hello.error());
        auto answer = self->make_response_promise<slot_link_actor, worker_limits>();
        const auto before = hello->before ? state.members.find(hello->before->run) : state.members.end();
        if (before == state.members.end()) {
          admit(self, *hello, worker, answer);
          return answer;
        }
        spdlog::log(hello->before->counts ? spdlog::level::warn : spdlog::level::info, "node {}: slot {}: {}",
                    hello->where.node, hello->where.slot, hello->before->end);
        // First its predecessor is judged, so that what that one did to a task is known before another gets it.
        auto go_on = [self, hello = *hello, worker, answer] { admit(self, hello, worker, answer); };
        self->request(before->second.slot, state.config.slot.verdict_wait, verdict_atom_v, hello->before->end,
                      hello->before->counts)
            .then(go_on, [go_on](const caf::error&) { go_on(); });
        return answer;
      },
  };
}

} // namespace vp
