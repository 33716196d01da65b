#pragma once

#include "actors/block_cache.hpp"
#include "actors/encoder.hpp"
#include "actors/node_interfaces.hpp"
#include "actors/source_feed.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace vp {

struct worker_config {
  std::size_t cache = std::size_t{32} << 20U; ///< bytes of sources
  int niceness = 10;                          ///< of the encoder's threads
  bool decodes_ahead = false;                 ///< see `media::segment_encoder`
  /// Called before each task with the CPU time that it may use.
  std::function<void(std::chrono::seconds)> limit_cpu = [](std::chrono::seconds) {};
  /// How the encoder behind it is made; another one in tests.
  std::function<encoder_actor(caf::actor_system&, const encoder_config&)> make_encoder = spawn_encoder;
};

/// The worker's own interface.
using worker_impl = worker_actor::extend<
    // Joins the server of this gate, introducing itself with this `node_hello`. The server's error where it refuses.
    caf::replies_to<join_atom, node_gate_actor, std::string>::with<void>,
    // Finish what there is, take no more, and end.
    caf::reacts_to<drain_atom>>;

/// One encoder in a process of its own, at the other end of a link from its slot: has the blocks of each task's source
/// fetched, and sends results in pieces. Ends, and its process with it, when its slot or its encoder does.
class worker_state {
public:
  static constexpr const char* name = "worker";
  using pointer = worker_impl::stateful_pointer<worker_state>;

  explicit worker_state(pointer self) : self_(self) {}
  ~worker_state();

  worker_impl::behavior_type make_behavior(worker_config config);

private:
  /// A result on its way.
  struct shipment {
    std::vector<char> data;
    std::size_t sent = 0;
    std::size_t on_their_way = 0; ///< pieces
  };

  caf::result<void> join(const node_gate_actor& gate, const std::string& hello);
  void open(const slot_link_actor& slot, const worker_limits& limits);
  template <class R, class Atom, class Task>
  void begin(std::uint64_t id, Atom what, Task& task, caf::timespan limit, caf::timespan reading);
  template <class R>
  void ship(R& result);
  void send_pieces();
  void fail(const caf::error& why);
  void end_task();
  void end_after_last_words();

  pointer self_;
  worker_config config_;
  slot_link_actor slot_;
  worker_limits limits_;
  std::shared_ptr<block_cache> cache_;
  source_feed_actor feed_;
  encoder_actor encoder_;
  std::uint64_t task_ = 0; ///< 0: none
  source_ref source_;
  std::optional<shipment> shipment_;
  bool draining_ = false;
  bool drained_ = false; ///< no more tasks can come
};

worker_impl::behavior_type worker(worker_state::pointer self, worker_config config);

} // namespace vp
