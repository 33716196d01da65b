#pragma once

#include "media/types.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace vp::media {

/// Cuts a timeline into segments while its packets go by.
///
/// Nominal cuts are at 2, 4, 8, 12, ... seconds. A cut is made at the first frame at or after a nominal one, and only
/// when at least a second of video follows it, so that no segment is shorter than that; nominal cells without a frame
/// are part of the segment before. Where only keyframes may be cut at, it is the first keyframe. What comes out does
/// not depend on when it is asked for.
///
/// Audio is cut on its own grid of AAC frames at the same times. It is as long as the video at least; where it goes on
/// for a second or more after the video's end, segments without video follow. Beside audio the last frame lasts four
/// seconds at most.
class grid_planner {
public:
  struct tracks {
    std::uint32_t timescale = 0; ///< of video ticks; of the segments' bounds where there is no video
    bool video = false;
    bool audio = false;
    bool at_keyframes = false; ///< no other frame begins a segment
  };

  explicit grid_planner(tracks of) : tracks_(of) {}

  /// A frame that will be shown, in ticks from time zero, in decoding order. `dts` where it is known: no later packet
  /// has a smaller one. Frames with the same `pts` are one.
  void add_frame(std::int64_t pts, std::optional<std::int64_t> dts, std::int64_t duration, bool key = false);

  /// Audio up to this sample, of 48,000 a second, was seen.
  void add_audio(std::int64_t end);

  /// There is no more.
  void finish();

  /// The segments that are certain and were not taken yet.
  std::vector<segment> take();

  /// Where the last frame ends, in ticks; of what was seen so far.
  std::int64_t video_end() const noexcept { return video_end_; }
  std::int64_t audio_end() const noexcept { return audio_end_; }
  std::uint64_t frames() const noexcept { return frames_; }
  /// Frames that have no place, since the timestamps jump back.
  std::uint64_t dropped() const noexcept { return dropped_; }

  /// The most ticks by which a frame of a segment may be decoded before it is shown, or last.
  std::int64_t widest_step() const noexcept { return widest_step_; }

private:
  void advance();
  void cut_video();
  std::set<std::int64_t>::const_iterator next_cut(std::int64_t start) const;
  void cut_tail();
  void measure(std::set<std::int64_t>::const_iterator last, std::int64_t end);
  void emit(std::int64_t start, std::int64_t end, std::uint32_t frames, std::int64_t audio_end);
  std::int64_t next_nominal(std::int64_t after) const;
  std::int64_t audio_frame_at(std::int64_t ticks) const;
  std::int64_t second() const { return static_cast<std::int64_t>(tracks_.timescale); }

  tracks tracks_;
  std::set<std::int64_t> waiting_;     ///< frames that belong to no segment yet
  std::set<std::int64_t> keys_;        ///< keyframes among them, where that matters
  std::int64_t watermark_ = INT64_MIN; ///< no frame before it will come any more
  std::int64_t cut_ = INT64_MIN;       ///< frames before it came too late for their segment
  std::int64_t last_pts_ = INT64_MIN;
  std::int64_t video_end_ = 0;
  std::int64_t audio_end_ = 0;
  std::int64_t tail_start_ = 0; ///< where segments without video begin
  std::int64_t next_audio_ = 0;
  std::uint32_t next_number_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t dropped_ = 0;
  std::int64_t widest_step_ = 0;
  bool finished_ = false;
  std::vector<segment> done_;
};

} // namespace vp::media
