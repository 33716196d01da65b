#pragma once

#include "media/av.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace vp::media {

/// Samples of the two channels at `audio_sample_rate`, full scale 1.
using stereo = std::array<std::vector<float>, 2>;

/// Sampling rates that sound has, in Hz. Far from them a resampler would take memory without end.
inline constexpr int lowest_audio_rate = 4000;
inline constexpr int highest_audio_rate = 768'000;
inline constexpr bool is_audio_rate(int rate) {
  return rate >= lowest_audio_rate && rate <= highest_audio_rate;
}

/// Lays decoded frames of any rate, format and layout onto a stretch of the timeline, as stereo at `audio_sample_rate`.
///
/// What an output sample becomes does not depend on where the stretch begins, so that stretches join: the resampler
/// always begins where an input and an output sample coincide. Gaps become silence, overlaps are dropped. More than two
/// channels are mixed down with the usual weights (ITU-R BS.775), scaled so that nothing clips; a single one goes to
/// both sides as it is.
class audio_mixer {
public:
  /// The stretch `[from, to)`, in output samples from time zero. Show it frames from a little before `from`.
  audio_mixer(std::int64_t from, std::int64_t to);

  /// `frame` begins at `position`, counted at the frame's own rate. Frames come in order.
  /// Errors: `unsupported_media` for a rate or a layout that cannot be mixed.
  result<void> add(const AVFrame& frame, std::int64_t position);

  /// Where the samples go next, at the rate of the last frame.
  std::int64_t next() const noexcept { return next_in_; }

  /// True when more frames would change nothing.
  bool full() const noexcept { return next_out_ >= to_; }

  /// The stretch, silent where nothing was.
  result<stereo> finish() &&;

private:
  bool fits(const AVFrame& frame) const;
  result<void> begin(const AVFrame& frame, std::int64_t position);
  result<void> skip_to(std::int64_t position);
  result<void> convert(const std::uint8_t** planes, int samples);
  result<void> drain();

  std::int64_t from_;
  std::int64_t to_;
  stereo out_;
  frame_ptr silence_; ///< a block of it in the input's rate, format and layout
  swr_context resampler_;
  std::int64_t next_in_ = 0; ///< at the input's rate
  std::int64_t next_out_;    ///< the next sample that the resampler gives
  std::int64_t valid_from_;  ///< earlier ones belong to the input before
  stereo block_;
};

} // namespace vp::media
