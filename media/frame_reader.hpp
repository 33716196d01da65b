#pragma once

#include "media/demuxer.hpp"
#include "media/packets.hpp"
#include "media/timeline.hpp"
#include "media/video_decoder.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

namespace vp::media {

/// Decodes a video from any of its frames on, in the order of presentation.
///
/// What comes after `position(t)` is the same whether the decoder was just before `t` already or had to seek. It goes
/// on decoding only while nothing was wrong since it last sought and every keyframe on the way was a closed one; else
/// it seeks, and a seek begins with a new decoder. So it may begin at any keyframe that is shown at or before `t`.
class frame_reader {
public:
  /// `source` must outlive the reader, which selects the stream in it and is its only user.
  static result<std::unique_ptr<frame_reader>> open(demuxer& source, int stream, const timeline& time);

  /// Makes `next()` give the last `before` frames with pts < `start` (fewer where the video begins there), then all
  /// from `start` on. `afresh` seeks in any case.
  result<void> position(std::int64_t start, int before, bool afresh = false);

  /// The next frame, its pts in ticks and larger than that of the one before; null at the end.
  result<frame_ptr> next();

  /// Something that was decoded since the last seek was damaged: another way here might give other pixels.
  bool damaged() const noexcept { return decoder_ && decoder_->damaged(); }

  /// Whether the last `position` went on without seeking.
  bool went_on() const noexcept { return went_on_; }

  /// Frames that the decoder gave, those included that nobody asked for.
  std::uint64_t decoded() const noexcept { return decoded_ + (decoder_ ? decoder_->count() : 0); }

private:
  /// What came of an attempt to begin at some keyframe.
  enum class attempt { good, too_late, lost_frames };

  frame_reader(demuxer& source, int stream, const timeline& time);

  result<bool> go_on(std::int64_t start, int before);
  result<attempt> seek(std::int64_t start, int before, std::int64_t target, std::int64_t latest);
  result<bool> find_keyframe(std::int64_t start, int before, std::int64_t latest);
  result<void> skip_to(std::int64_t start, int before);
  result<frame_ptr> decode();
  result<void> feed();

  demuxer& source_;
  int stream_;
  timeline time_;
  std::optional<video_decoder> decoder_; ///< of the stretch since the last seek
  packet_inspector inspector_;
  packet_ptr packet_ = make_packet();
  std::deque<packet_ptr> ahead_;       ///< packets that were read while looking for a keyframe
  std::deque<frame_ptr> pending_;      ///< frames to be given, some of them again
  std::deque<frame_ptr> given_;        ///< the last few that were given
  std::size_t keep_ = 1;               ///< how many of those
  std::int64_t first_ = INT64_MAX;     ///< pts of the first frame since the last seek
  std::int64_t last_ = INT64_MIN;      ///< pts of the last one that was decoded
  std::int64_t forgotten_ = INT64_MIN; ///< pts of the last one that is in none of the queues any more
  std::uint64_t decoded_ = 0;          ///< frames of earlier decoders
  bool at_begin_ = false;              ///< decoding began with the first packet
  bool ended_ = false;                 ///< there are no more packets
  bool open_keyframe_ = false;         ///< one went by behind which references to what is before it are allowed
  bool went_on_ = false;
};

} // namespace vp::media
