#pragma once

#include "media/demuxer.hpp"
#include "media/portable_math.hpp"

#include <cstdint>
#include <deque>
#include <memory>

namespace vp::media {

/// A decoder for a video stream: one thread, nothing larger than the limits.
///
/// Its frames carry presentation times, in the stream's time base. Where the container has decoding times only, the
/// n-th frame shown gets the n-th of them: also when decoding began at a keyframe in the middle, and leading pictures
/// were lost.
class video_decoder {
public:
  /// Error: `unsupported_media`.
  static result<video_decoder> open(demuxer& source, int stream);

  /// A packet, or null at the end. Damage is no error: see `damaged()`.
  void send(const AVPacket* packet);

  /// The next frame; null where a packet has to be sent first, or all frames have come.
  frame_ptr receive();

  /// All frames have come.
  bool ended() const noexcept { return ended_; }

  /// A packet could not be decoded, a frame has errors, or frames came out of order since the decoder did not know yet
  /// how much the stream reorders.
  bool damaged() const noexcept { return damaged_; }

  /// Frames so far.
  std::uint64_t count() const noexcept { return count_; }

private:
  std::unique_ptr<native_math> setting_up() const;
  std::int64_t presentation_time(const AVFrame& frame);

  codec_context context_;
  bool decoding_times_only_ = false;
  std::deque<std::int64_t> sent_; ///< decoding times of the last packets
  std::int64_t drained_ = 0;      ///< frames since the end was sent
  int delay_ = 0;                 ///< in frames
  std::uint64_t count_ = 0;
  bool draining_ = false;
  bool ended_ = false;
  bool damaged_ = false;
};

} // namespace vp::media
