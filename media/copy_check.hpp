#pragma once

#include "media/av.hpp"
#include "media/types.hpp"

#include <cstdint>

namespace vp::media {

/// Finds out by the samples' times and flags whether the pictures of an MP4 or MOV can be its largest rendition as they
/// are: H.264 of 8 bits and 4:2:0, progressive, upright, with square pixels, of the largest rung's size, in colours
/// that are not converted; every group of pictures closed, and at most 4 s long. That keyframes are what they seem is
/// looked at when they are copied.
class copy_check {
public:
  /// Of a video that is known down to its first picture, which is shown at `first` (in the stream's time base).
  copy_check(const AVStream& stream, const video_stream& video, std::int64_t first);

  /// The next sample, in decoding order.
  void add(const AVPacket& sample);

  /// False once it can't, whatever comes.
  bool possible() const noexcept { return possible_; }

  /// Whether it can, if its rate is fit for it; all samples were added.
  bool passed() const noexcept;
  std::uint64_t samples() const noexcept { return samples_; }

  /// The highest average rate, bits per second, at which a video of this size is copied: 1.5 of what is usual.
  double highest_rate() const noexcept { return highest_rate_; }

private:
  bool possible_ = false;
  double highest_rate_ = 0;
  std::int64_t longest_group_ = 0; ///< all times are in the stream's time base
  std::int64_t first_ = 0;
  std::int64_t group_ = 0; ///< its keyframe
  std::int64_t last_shown_ = 0;
  std::int64_t end_ = 0; ///< of the last picture that is shown
  std::uint64_t samples_ = 0;
};

} // namespace vp::media
