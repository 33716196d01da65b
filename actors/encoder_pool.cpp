#include "actors/encoder_pool.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vp {

encoder_pool_state::~encoder_pool_state() {
  for (auto& x : members)
    caf::anon_send_exit(x.encoder, caf::exit_reason::user_shutdown);
}

encoder_pool_actor::behavior_type encoder_pool(encoder_pool_actor::stateful_pointer<encoder_pool_state> self,
                                               encoder_pool_config config, dispatcher_actor dispatcher,
                                               std::function<encoder_actor()> make) {
  auto& state = self->state;
  state.wait = config.shortest_wait;
  state.config = config;
  state.dispatcher = std::move(dispatcher);
  state.make = std::move(make);
  for (std::uint32_t i = 0; i < config.size; ++i)
    self->send(self, begin_atom_v);
  self->set_down_handler([self](caf::down_msg& down) {
    auto& x = self->state;
    auto found = std::find_if(x.members.begin(), x.members.end(),
                              [&](const auto& member) { return member.encoder.address() == down.source; });
    if (found == x.members.end())
      return;
    if (self->clock().now() - found->since >= x.config.stable)
      x.wait = x.config.shortest_wait;
    x.members.erase(found);
    spdlog::warn("an encoder ended ({}), another one starts in {} ms", caf::to_string(down.reason),
                 std::chrono::duration_cast<std::chrono::milliseconds>(x.wait).count());
    self->delayed_send(self, x.wait, begin_atom_v);
    x.wait = std::min(2 * x.wait, x.config.longest_wait);
  });
  return {
      [self](begin_atom) {
        auto& x = self->state;
        if (x.members.size() >= x.config.size)
          return;
        auto encoder = x.make();
        self->monitor(encoder);
        x.members.push_back({encoder, self->clock().now()});
        self->send(x.dispatcher, register_atom_v, encoder, encoder_info{"in process", ++x.started, {}});
      },
  };
}

} // namespace vp
