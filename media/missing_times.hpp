#pragma once

#include "media/av.hpp"

#include <deque>

namespace vp::media {

/// Gives the packets of one video stream the presentation times that their container left out, as MPEG program streams
/// do.
///
/// A picture that is shown as soon as it is decoded (a B picture) has both times; any other one is shown when the next
/// such other one is decoded. So a packet waits until that one comes, but never for more than a few.
class missing_times {
public:
  void push(packet_ptr packet);

  /// The next packet whose time is known; null where there is none yet. At the end all come.
  packet_ptr pop(bool at_end);

  bool empty() const noexcept { return waiting_.empty(); }
  void clear() noexcept { waiting_.clear(); }

private:
  bool resolve_front(bool at_end);

  std::deque<packet_ptr> waiting_;
};

} // namespace vp::media
