#pragma once

#include "media/frame_reader.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

namespace vp::media {

/// Reads a segment's frames in a thread of its own, a few ahead of who takes them. The reader is left where it would be
/// had they been read one after the other, once all have been taken.
class frames_ahead {
public:
  /// Until `count` frames have come that are shown at `start` or later, or one at `end` or later. `reader` must outlive
  /// it, and is not to be used meanwhile.
  frames_ahead(frame_reader& reader, std::int64_t start, std::int64_t end, std::uint32_t count);
  ~frames_ahead();
  frames_ahead(const frames_ahead&) = delete;
  frames_ahead& operator=(const frames_ahead&) = delete;

  /// What the reader gave; not to be called again behind its end or an error.
  result<frame_ptr> next();

private:
  void read(std::int64_t start, std::int64_t end, std::uint32_t count);
  bool offer(result<frame_ptr> frame);

  frame_reader& reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<result<frame_ptr>> frames_;
  std::size_t bytes_ = 0; ///< of these
  bool unwanted_ = false;
  bool broken_ = false; ///< nothing more comes
  std::thread thread_;  // last: it uses the others
};

} // namespace vp::media
