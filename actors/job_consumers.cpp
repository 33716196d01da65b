#include "actors/job_consumers.hpp"

#include <algorithm>

namespace vp {

job_consumers::subscription* job_consumers::find(const caf::actor_addr& consumer) {
  auto found = std::find_if(all_.begin(), all_.end(), [&](auto& one) { return one.consumer.address() == consumer; });
  return found == all_.end() ? nullptr : &*found;
}

bool job_consumers::subscribe(const job_consumer& consumer, std::uint32_t credit) {
  if (auto* known = find(consumer.address())) {
    known->credit = credit;
    return false;
  }
  all_.push_back({consumer, credit, 0});
  return true;
}

void job_consumers::drain(const job_consumer& consumer) {
  if (auto* known = find(consumer.address()))
    known->credit = 0;
}

void job_consumers::remove(const caf::actor_addr& consumer) {
  std::erase_if(all_, [&](auto& one) { return one.consumer.address() == consumer; });
}

std::uint32_t job_consumers::free_credit() const {
  std::uint32_t sum = 0;
  for (auto& one : all_)
    sum += one.credit > one.in_hand ? one.credit - one.in_hand : 0;
  return sum;
}

std::optional<job_consumer> job_consumers::take_credit() {
  subscription* best = nullptr;
  for (auto& one : all_)
    if (one.credit > one.in_hand && (!best || one.in_hand < best->in_hand))
      best = &one;
  if (!best)
    return std::nullopt;
  ++best->in_hand;
  return best->consumer;
}

void job_consumers::give_back(const caf::actor_addr& consumer) {
  if (auto* known = find(consumer); known && known->in_hand > 0)
    --known->in_hand;
}

} // namespace vp
