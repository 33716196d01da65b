#include "actors/source_feed.hpp"

#include "actors/error.hpp"

#include <algorithm>
#include <utility>

namespace vp {

namespace {

/// A link that takes longer for a block is as good as none.
constexpr std::chrono::seconds block_timeout{60};

} // namespace

source_feed_actor::behavior_type source_feed_state::make_behavior(slot_link_actor slot,
                                                                  std::shared_ptr<block_cache> cache) {
  slot_ = std::move(slot);
  cache_ = std::move(cache);
  return {
      [this](begin_atom, std::uint64_t task, const source_ref& source) {
        task_ = task;
        source_ = source;
      },
      [this](read_atom, std::uint64_t version, std::uint64_t block) {
        come_to({version, block});
      },
  };
}

void source_feed_state::come_to(block_cache::key where) {
  if (where.first != source_.version)
    return; // of a task that is over
  const auto goes_on = last_ && last_->first == where.first && where.second == last_->second + 1;
  const auto stays = last_ == where;
  if (goes_on)
    ahead_ = std::min<std::uint64_t>(2 * ahead_, pieces_in_flight);
  else if (!stays)
    ahead_ = 1;
  last_ = where;
  const auto blocks = (source_.size + piece_size - 1) / piece_size;
  for (auto i = where.second; i < std::min(where.second + ahead_, blocks); ++i)
    fetch({where.first, i});
}

void source_feed_state::fetch(block_cache::key which) {
  // What the reader waits for is asked for even where the rest has to wait.
  const auto room = on_their_way_.size() < pieces_in_flight || cache_->awaits(which);
  if (!room || cache_->has(which) || !on_their_way_.insert(which).second)
    return;
  self_
      ->request(slot_, block_timeout, read_atom_v, task_, which.second * piece_size,
                static_cast<std::uint32_t>(piece_size))
      .then(
          [this, which](bytes& block) {
            on_their_way_.erase(which);
            cache_->put(which, std::move(block));
          },
          [this, which](const caf::error& problem) {
            on_their_way_.erase(which);
            if (!cache_->awaits(which))
              return;
            auto why = from_caf(problem);
            // Asked for by the task before, which has ended meanwhile.
            if (why.code == errc::stale && which.first == source_.version)
              fetch(which);
            else if (why.code == errc::timed_out)
              cache_->abort({errc::io_failed, "the source did not arrive in time"}); // which is not the source's fault
            else
              cache_->abort(std::move(why));
          });
}

source_feed_actor::behavior_type source_feed(source_feed_state::pointer self, slot_link_actor slot,
                                             std::shared_ptr<block_cache> cache) {
  return self->state.make_behavior(std::move(slot), std::move(cache));
}

} // namespace vp
