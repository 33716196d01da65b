#pragma once

#include "actors/block_cache.hpp"
#include "actors/node_interfaces.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>

namespace vp {

/// Fetches for a worker's cache what its reader wants.
using source_feed_actor = caf::typed_actor<
    // A task begins, and these are its number and its source.
    caf::reacts_to<begin_atom, std::uint64_t, source_ref>,
    // The reader has come to this block of a source.
    caf::reacts_to<read_atom, std::uint64_t, std::uint64_t>>;

/// Keeps requests for the next blocks on their way while the reader goes through a source in order: each time it does,
/// for twice as many as before, up to `pieces_in_flight`. Where it jumps, only for the one that it wants.
class source_feed_state {
public:
  static constexpr const char* name = "source feed";
  using pointer = source_feed_actor::stateful_pointer<source_feed_state>;

  explicit source_feed_state(pointer self) : self_(self) {}

  source_feed_actor::behavior_type make_behavior(slot_link_actor slot, std::shared_ptr<block_cache> cache);

private:
  void come_to(block_cache::key where);
  void fetch(block_cache::key which);

  pointer self_;
  slot_link_actor slot_;
  std::shared_ptr<block_cache> cache_;
  std::uint64_t task_ = 0;
  source_ref source_;
  std::set<block_cache::key> on_their_way_;
  std::optional<block_cache::key> last_;
  std::uint64_t ahead_ = 1; ///< blocks
};

source_feed_actor::behavior_type source_feed(source_feed_state::pointer self, slot_link_actor slot,
                                             std::shared_ptr<block_cache> cache);

} // namespace vp
