#pragma once

#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <functional>
#include <vector>

namespace vp {

struct encoder_pool_config {
  std::uint32_t size = 1;
  /// The wait before a replacement; doubled for each encoder that doesn't live for `stable`, up to `longest_wait`.
  caf::timespan shortest_wait = std::chrono::seconds(1);
  caf::timespan longest_wait = std::chrono::seconds(60);
  caf::timespan stable = std::chrono::seconds(60);
};

/// The supervisor of this process' encoders: keeps so many alive and registers each with the dispatcher. Its end is
/// theirs.
using encoder_pool_actor = caf::typed_actor<
    // One encoder is to be started.
    caf::reacts_to<begin_atom>>;

struct encoder_pool_state {
  static constexpr const char* name = "encoder pool";

  struct member {
    encoder_actor encoder;
    caf::actor_clock::time_point since;
  };

  ~encoder_pool_state();

  encoder_pool_config config;
  dispatcher_actor dispatcher;
  std::function<encoder_actor()> make;
  std::vector<member> members;
  std::uint32_t started = 0;
  caf::timespan wait{};
};

encoder_pool_actor::behavior_type encoder_pool(encoder_pool_actor::stateful_pointer<encoder_pool_state> self,
                                               encoder_pool_config config, dispatcher_actor dispatcher,
                                               std::function<encoder_actor()> make);

} // namespace vp
