#include "actors/node_gate.hpp"

#include "actors/error.hpp"
#include "nodes/certificates.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vp {

namespace {

using gate_pointer = node_gate_actor::stateful_pointer<node_gate_state>;
using admission = caf::typed_response_promise<slot_link_actor, worker_limits>;

/// The worker of an earlier process in the same place. A node has one process a slot at a time, so it has ended, also
/// when no word of that has come: a link that broke before it was up tells nobody.
auto predecessor_of(const node_gate_state& state, const node_hello& hello) {
  return std::find_if(state.members.begin(), state.members.end(), [&](const auto& one) {
    const auto& where = one.second.where;
    return where.node == hello.where.node && where.run == hello.where.run && where.slot == hello.where.slot;
  });
}

/// Whether there is room for this worker of another process besides those that are here.
result<void> check_place(const node_gate_state& state, const node_hello& hello, const caf::node_id& process) {
  const auto& node = hello.where.node;
  if (state.members.contains(hello.run))
    return fail(errc::invalid_request, "this worker has joined before");
  // It may have been taken over by a video, and want more of them.
  if (std::ranges::any_of(state.members, [&](const auto& one) { return one.second.process == process; }))
    return fail(errc::conflict, "this worker's process has a slot");
  std::size_t slots = 0;
  for (const auto& [run, one] : state.members) {
    if (one.where.node != node)
      continue;
    // It may be about to be missed.
    if (one.where.run != hello.where.run)
      return fail(errc::overloaded, "another node is here by the name of " + node);
    slots += one.where.slot == hello.where.slot ? 0 : 1;
  }
  if (slots >= state.config.slots_per_node)
    return fail(errc::conflict, fmt::format("{} has {} slots, and no node may have more", node, slots));
  return {};
}

result<node_hello> check(const node_gate_state& state, const std::string& text, const caf::node_id& process) {
  auto hello = parse_hello(text);
  if (!hello)
    return hello;
  // It may be one of the server's run before this, and the next one is good.
  if (!state.config.passes->good(hello->where.node, hello->pass))
    return fail(errc::overloaded, "the worker has no pass for the name of " + hello->where.node);
  if (auto same = check_versions(state.config.versions, hello->versions); !same)
    return tl::unexpected(same.error());
  if (auto room = check_place(state, *hello, process); !room)
    return tl::unexpected(room.error());
  // Others leave to such encoders what viewers can't wait for, so it is not for a node to say that it has some.
  hello->where.on_demand = hello->where.on_demand && hello->where.node == nodes::local_node;
  return hello;
}

caf::error refuse(const error& why) {
  spdlog::warn("a worker is refused: {}", why.text);
  return to_caf(why);
}

void leave(node_gate_state& state, const std::map<std::string, node_gate_state::member>::const_iterator& which) {
  spdlog::info("node {}: slot {} has left", which->second.where.node, which->second.where.slot);
  state.members.erase(which);
}

void admit(gate_pointer self, const node_hello& hello, const worker_actor& worker, admission answer) {
  auto& state = self->state;
  if (auto room = check_place(state, hello, worker.node()); !room) { // another one may have come meanwhile
    answer.deliver(refuse(room.error()));
    return;
  }
  if (const auto before = predecessor_of(state, hello); before != state.members.end()) {
    // First it is judged, so that what it did to a task is known before another gets it.
    auto last = hello.before && hello.before->run == before->first
                    ? *hello.before
                    : node_hello::predecessor{before->first, "it left no word", false};
    spdlog::log(last.counts ? spdlog::level::warn : spdlog::level::info, "node {}: slot {}: {}", hello.where.node,
                hello.where.slot, last.end);
    auto go_on = [self, hello, worker, answer, run = last.run] {
      if (const auto gone = self->state.members.find(run); gone != self->state.members.end())
        leave(self->state, gone);
      admit(self, hello, worker, answer);
    };
    self->request(before->second.slot, state.config.slot.verdict_wait, verdict_atom_v, last.end, last.counts)
        .then(go_on, [go_on](const caf::error&) { go_on(); });
    return;
  }
  auto slot = self->spawn<caf::monitored>(worker_slot, state.config.slot, worker);
  state.members[hello.run] = {slot, hello.where, worker.node()};
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
    auto& members = self->state.members;
    const auto gone = std::find_if(members.begin(), members.end(),
                                   [&](const auto& one) { return one.second.slot.address() == down.source; });
    if (gone != members.end())
      leave(self->state, gone);
  });
  return {
      [self](join_atom, const std::string& text,
             const worker_actor& worker) -> caf::result<slot_link_actor, worker_limits> {
        auto& state = self->state;
        auto hello = check(state, text, worker.node());
        if (!hello)
          return refuse(hello.error());
        auto answer = self->make_response_promise<slot_link_actor, worker_limits>();
        admit(self, *hello, worker, answer);
        return answer;
      },
  };
}

} // namespace vp
