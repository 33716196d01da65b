#include "media/missing_times.hpp"

#include <utility>

namespace vp::media {

namespace {

constexpr std::size_t most_waiting = 32; // more B pictures in a row than any encoder makes

} // namespace

void missing_times::push(packet_ptr packet) {
  waiting_.push_back(std::move(packet));
}

packet_ptr missing_times::pop(bool at_end) {
  if (waiting_.empty() || !resolve_front(at_end))
    return nullptr;
  auto packet = std::move(waiting_.front());
  waiting_.pop_front();
  return packet;
}

bool missing_times::resolve_front(bool at_end) {
  auto& front = *waiting_.front();
  if (front.pts != no_pts || front.dts == no_pts)
    return true;
  auto last = front.dts;
  for (std::size_t i = 1; i < waiting_.size(); ++i) {
    const auto& later = *waiting_[i];
    if (later.dts == no_pts)
      continue;
    last = later.dts;
    if (later.pts != later.dts) {
      front.pts = later.dts;
      return true;
    }
  }
  if (at_end)
    front.pts = last + front.duration;
  else if (waiting_.size() > most_waiting)
    front.pts = front.dts;
  return front.pts != no_pts;
}

} // namespace vp::media
