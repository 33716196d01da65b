#include "kafka/offsets.hpp"

#include <numeric>

namespace vp::kafka {

void offset_tracker::began(position at) {
  const auto anew = restarts(at);
  auto [found, added] = partitions_.try_emplace(at.partition);
  auto& one = found->second;
  if (added || anew)
    one = {.running = {}, .last = 0, .taken = at.offset};
  one.running.insert(at.offset);
  one.last = at.offset;
}

bool offset_tracker::restarts(position at) const {
  const auto found = partitions_.find(at.partition);
  return found != partitions_.end() && at.offset <= found->second.last;
}

std::size_t offset_tracker::running() const {
  return std::accumulate(partitions_.begin(), partitions_.end(), std::size_t{0},
                         [](std::size_t sum, const auto& x) { return sum + x.second.running.size(); });
}

void offset_tracker::ended(position at) {
  if (const auto found = partitions_.find(at.partition); found != partitions_.end())
    found->second.running.erase(at.offset);
}

void offset_tracker::forget(std::int32_t partition) {
  partitions_.erase(partition);
}

std::vector<position> offset_tracker::take() {
  std::vector<position> due;
  for (auto& [partition, one] : partitions_)
    if (const auto next = one.next(); next != one.taken) {
      due.push_back({partition, next});
      one.taken = next;
    }
  return due;
}

} // namespace vp::kafka
