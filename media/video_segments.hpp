#pragma once

#include "media/frames_ahead.hpp"
#include "media/picture_ladder.hpp"
#include "media/video_encoder.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace vp::media {

/// Encodes the video of one source a segment at a time: decode once, scale down the ladder, an encoder a rung.
class video_segments {
public:
  /// `source` must outlive it, and is read by a thread of its own where that `decodes_ahead`.
  static result<std::unique_ptr<video_segments>> open(byte_source& source, const plan& plan, const interrupt& stop,
                                                      bool decodes_ahead);

  /// The fragments of `cell`, which has frames, for the rungs of the plan that are `wanted`.
  result<std::vector<fragment>> encode(const segment& cell, const std::vector<bool>& wanted, const interrupt& stop);

  std::uint64_t decoded_frames() const noexcept { return reader_->decoded(); }

private:
  video_segments(const plan& plan, std::unique_ptr<demuxer> source, const colour& to, bool decodes_ahead);

  using encoder_set = std::vector<std::unique_ptr<video_encoder>>;

  result<std::vector<fragment>> encode_once(const segment& cell, const std::vector<bool>& wanted, bool afresh);
  result<std::uint32_t> encode_frames(const segment& cell, encoder_set& encoders, bool afresh);
  result<std::uint32_t> push_frames(const segment& cell, encoder_set& encoders);
  result<void> encode_stand_in(const segment& cell, encoder_set& encoders);
  result<void> push(const AVFrame& frame, std::int64_t pts, encoder_set& encoders);
  result<frame_ptr> next_picture(const segment& cell);

  plan plan_;
  colour colour_;
  std::vector<rendition> rungs_;
  std::unique_ptr<demuxer> source_;
  std::unique_ptr<frame_reader> reader_;
  bool decodes_ahead_ = false;
  std::optional<frames_ahead> ahead_; ///< of the segment that is being encoded
  picture_ladder ladder_;
  std::optional<filter_chain> deinterlacer_; ///< of the segment that is being encoded
  frame_ptr changed_;                        ///< the first of another size, while the filter gives what it has left
  int after_ = 0;                            ///< frames behind the segment that it was given
};

} // namespace vp::media
