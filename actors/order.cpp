#include "actors/order.hpp"

#include "actors/timeline.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace vp {

order::order(job_order what) : what_(std::move(what)), entries_(what_.cells.size()), waiting_(what_.cells.size()) {}

bool order::available(std::size_t index, encoder_id encoder, bool alone) const {
  const auto& x = entries_[index];
  return x.state == state::waiting && x.crashes == 0 && (alone || x.avoid != encoder);
}

/// Cells are in presentation order, so their numbers rise.
std::optional<std::size_t> order::find(std::uint32_t number) const {
  auto found = std::lower_bound(what_.cells.begin(), what_.cells.end(), number,
                                [](const media::segment& cell, std::uint32_t x) { return cell.number < x; });
  if (found == what_.cells.end() || found->number != number)
    return std::nullopt;
  return static_cast<std::size_t>(found - what_.cells.begin());
}

bool order::belongs_to_somebody(std::size_t index) const {
  auto number = what_.cells[index].number;
  return std::any_of(stands_.begin(), stands_.end(), [number](const auto& x) { return x.second == number; });
}

std::optional<std::size_t> order::adjacent(encoder_id encoder, bool alone) const {
  auto at = stands_.find(encoder);
  if (at == stands_.end())
    return std::nullopt;
  auto index = find(at->second);
  return index && available(*index, encoder, alone) ? index : std::nullopt;
}

std::optional<std::size_t> order::next(encoder_id encoder, bool alone, bool fresh) const {
  if (fresh && suspects_ > 0)
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (entries_[i].state == state::waiting && entries_[i].crashes > 0)
        return i;
  if (auto own = adjacent(encoder, alone))
    return own;
  std::optional<std::size_t> unclaimed;
  std::pair<std::size_t, std::size_t> longest{0, 0};
  for (std::size_t begin = 0, end = 0; begin < entries_.size(); begin = end) {
    end = begin + 1;
    if (!available(begin, encoder, alone))
      continue;
    while (end < entries_.size() && available(end, encoder, alone) && !entries_[end].given_back
           && what_.cells[end].number == what_.cells[end - 1].number + 1)
      ++end;
    if (belongs_to_somebody(begin)) {
      if (end - begin > longest.second - longest.first)
        longest = {begin, end};
    } else if (entries_[begin].given_back) {
      return begin;
    } else if (!unclaimed) {
      unclaimed = begin;
    }
  }
  if (unclaimed)
    return unclaimed;
  auto length = longest.second - longest.first;
  if (length == 0 || (length < worth_a_seek && known_.contains(encoder)))
    return std::nullopt;
  return middle(longest.first, longest.second);
}

std::size_t order::middle(std::size_t begin, std::size_t end) const {
  double total = 0;
  for (auto i = begin; i < end; ++i)
    total += seconds_of(what_.plan, what_.cells[i]);
  auto best = begin;
  auto nearest = std::numeric_limits<double>::max();
  double before = seconds_of(what_.plan, what_.cells[begin]);
  for (auto i = begin + 1; i < end; ++i) {
    if (auto off = std::abs(before - total / 2); off < nearest) {
      nearest = off;
      best = i;
    }
    before += seconds_of(what_.plan, what_.cells[i]);
  }
  return best;
}

void order::started(std::size_t index, encoder_id encoder) {
  entries_[index].state = state::running;
  --waiting_;
  suspects_ -= entries_[index].crashes > 0 ? 1 : 0;
  ++running_;
  stands_[encoder] = what_.cells[index].number + 1;
  known_.insert(encoder);
}

void order::encoded(std::size_t index) {
  entries_[index].state = state::encoded;
  --running_;
  ++encoded_;
}

void order::stored(std::uint32_t number) {
  if (auto index = find(number); index && entries_[*index].state == state::encoded) {
    entries_[*index].state = state::stored;
    --encoded_;
  }
}

void order::wait_again(std::size_t index, encoder_id encoder) {
  entries_[index].state = state::waiting;
  entries_[index].given_back = true;
  --running_;
  ++waiting_;
  suspects_ += entries_[index].crashes > 0 ? 1 : 0;
  left(encoder);
}

std::uint32_t order::failed(std::size_t index, encoder_id encoder) {
  wait_again(index, encoder);
  entries_[index].avoid = encoder;
  return ++entries_[index].failures;
}

std::uint32_t order::lost(std::size_t index, encoder_id encoder) {
  wait_again(index, encoder);
  return ++entries_[index].losses;
}

std::uint32_t order::crashed(std::size_t index, encoder_id encoder) {
  auto crashes = ++entries_[index].crashes;
  wait_again(index, encoder);
  return crashes;
}

void order::give_up(std::size_t index) {
  entries_[index].state = state::given_up;
  --waiting_;
  suspects_ -= entries_[index].crashes > 0 ? 1 : 0;
}

void order::left(encoder_id encoder) {
  stands_.erase(encoder);
}

} // namespace vp
