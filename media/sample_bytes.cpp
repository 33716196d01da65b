#include "media/sample_bytes.hpp"

#include <algorithm>
#include <numeric>

namespace vp::media {

bool sample_bytes::locate(AVStream& track) {
  const auto count = avformat_index_get_entries_count(&track);
  places_.clear();
  if (static_cast<std::size_t>(count) != times_.size())
    return false;
  places_.reserve(times_.size());
  for (int i = 0; i < count; ++i) {
    const auto* entry = avformat_index_get_entry(&track, i);
    const auto begin = static_cast<std::uint64_t>(std::max<std::int64_t>(0, entry->pos));
    places_.push_back({{begin, begin + static_cast<std::uint64_t>(std::max(0, entry->size))},
                       (entry->flags & AVINDEX_KEYFRAME) != 0});
  }
  return true;
}

std::size_t sample_bytes::after(std::int64_t time) const {
  return static_cast<std::size_t>(
      std::upper_bound(times_.begin(), times_.end(), time, [](std::int64_t t, const times& x) { return t < x.dts; })
      - times_.begin());
}

byte_range sample_bytes::span_of(std::size_t first, std::size_t end) const {
  byte_range all{UINT64_MAX, 0};
  for (auto i = first; i < std::min(end, places_.size()); ++i) {
    all.begin = std::min(all.begin, places_[i].bytes.begin);
    all.end = std::max(all.end, places_[i].bytes.end);
  }
  return all.empty() ? byte_range{} : all;
}

byte_range sample_bytes::of_pictures(std::int64_t start, std::int64_t end, std::int64_t slack) const {
  // A keyframe is decoded before it is shown, so the last one that may do is among those decoded by then.
  auto first = after(start);
  while (first > 0) {
    --first;
    if (places_[first].key && times_[first].pts <= start - slack)
      break;
  }
  return span_of(first, after(end + slack) + 1);
}

std::uint64_t sample_bytes::total() const {
  return std::accumulate(places_.begin(), places_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const place& x) { return sum + x.bytes.size(); });
}

std::vector<std::uint64_t> sample_bytes::totals(const std::vector<std::int64_t>& starts) const {
  std::vector<std::uint64_t> sums(starts.size(), 0);
  std::size_t at = 0;
  for (std::size_t i = 0; i < places_.size() && !starts.empty(); ++i) {
    while (at + 1 < starts.size() && times_[i].pts >= starts[at + 1])
      ++at;
    sums[at] += places_[i].bytes.size();
  }
  return sums;
}

byte_range sample_bytes::of_sound(std::int64_t start, std::int64_t end) const {
  const auto first = after(start);
  return span_of(first > 0 ? first - 1 : 0, after(end) + 1);
}

} // namespace vp::media
