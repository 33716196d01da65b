#pragma once

#include "actors/node_hello.hpp"
#include "actors/node_interfaces.hpp"
#include "actors/worker_slot.hpp"
#include "nodes/passes.hpp"

#include <caf/all.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace vp {

struct node_gate_config {
  dispatcher_actor dispatcher;
  worker_slot_config slot;
  worker_limits limits;
  std::map<std::string, std::string> versions;                                     ///< a worker's must be these
  std::shared_ptr<const nodes::passes> passes = std::make_shared<nodes::passes>(); ///< its must be of these
  std::size_t slots_per_node = 258; ///< as many as `--slots` may say, and those for viewers
};

/// Lets workers in: checks that they are who they say and make the same files as this server, has a worker's
/// predecessor judged, and gives each a slot that works for the dispatcher. Its end is that of all slots.
struct node_gate_state {
  static constexpr const char* name = "node gate";

  struct member {
    worker_slot_actor slot;
    encoder_info where;
    caf::node_id process; ///< of its worker
  };

  ~node_gate_state();

  node_gate_config config;
  std::map<std::string, member> members; ///< by the name of their process' run
};

node_gate_actor::behavior_type node_gate(node_gate_actor::stateful_pointer<node_gate_state> self,
                                         node_gate_config config);

} // namespace vp
