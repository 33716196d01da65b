// Receipts of chunks: what they say, and when they are given.

#include "actors/upload_session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vp {

namespace {

constexpr std::size_t most_wanted = 16;                                 ///< chunks that a receipt names
constexpr caf::timespan longest_pause = std::chrono::milliseconds(500); ///< of a large chunk

} // namespace

chunk_receipt upload_session_state::receipt(std::uint32_t index) const {
  auto& video = config_.video;
  return {video.hash,         index,          chunk_size_ == 0 ? 0 : layout_.size(index, chunk_size_), received_,
          video.total_chunks, wanted_chunks()};
}

/// What somebody waits for; viewers first.
std::vector<media::byte_range> upload_session_state::awaited() const {
  auto ranges = wanted_;
  for (const auto& one : readers_)
    ranges.push_back({one.offset, one.offset + one.length});
  return ranges;
}

/// Whether viewers wait, but neither for this chunk nor for one that its sender had better send next.
bool upload_session_state::can_wait(std::uint32_t index) const {
  const auto begin = layout_.offset(index, chunk_size_);
  const auto end = begin + layout_.size(index, chunk_size_);
  return hurried_ && wanted_chunks().empty()
         && std::ranges::none_of(awaited(), [&](const auto& range) { return range.begin < end && begin < range.end; });
}

/// The missing chunks that somebody waits for and nobody sends.
std::vector<std::uint32_t> upload_session_state::wanted_chunks() const {
  std::vector<std::uint32_t> indexes;
  if (chunk_size_ == 0)
    return indexes;
  for (const auto& range : awaited())
    for (auto offset = range.begin; offset < range.end; offset = (offset / chunk_size_ + 1) * chunk_size_) {
      const auto index = static_cast<std::uint32_t>(offset / chunk_size_);
      if (index >= present_.size() || indexes.size() == most_wanted)
        break;
      if (!present_[index] && !holders_.contains(index)
          && std::find(indexes.begin(), indexes.end(), index) == indexes.end())
        indexes.push_back(index);
    }
  return indexes;
}

/// As late as they would be at the rate that is left, where they can wait.
void upload_session_state::give_receipts(writer done) {
  const std::chrono::duration<double> at_that_rate{static_cast<double>(done.position)
                                                   / static_cast<double>(config_.rate_beside_viewers)};
  const auto pause = std::min(longest_pause, done.since + std::chrono::round<caf::timespan>(at_that_rate) - now());
  if (!can_wait(done.index) || pause <= caf::timespan::zero()) {
    answer(done.index, done.ends);
    return;
  }
  self_->delayed_send(self_, pause, end_atom_v);
  held_back_.push_back({done.index, now() + pause, std::move(done.ends)});
}

void upload_session_state::answer(std::uint32_t index, std::vector<receipt_promise>& ends) const {
  for (auto& promise : ends)
    promise.deliver(receipt(index));
}

/// Who sends should know of what is waited for, or that nobody waits any more.
void upload_session_state::answer_if_wanted() {
  if (!hurried_ || !wanted_chunks().empty())
    answer_held(time_point::max());
}

void upload_session_state::answer_held(time_point until) {
  std::erase_if(held_back_, [&](held_receipt& one) {
    const auto is_due = one.due <= until;
    if (is_due)
      answer(one.index, one.answers);
    return is_due;
  });
}

} // namespace vp
