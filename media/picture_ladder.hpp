#pragma once

#include "media/colour.hpp"
#include "media/filter_chain.hpp"
#include "media/scaler.hpp"
#include "media/tone_map.hpp"

#include <optional>
#include <vector>

namespace vp::media {

/// Which rung each rung's picture is scaled from, by their short sides from the largest on: the smallest of those above
/// that is at least one and a half times its size, else the largest. A smaller picture costs less to scale, but one of
/// nearly the same size is blurred a second time. The first is its own.
std::vector<std::size_t> scaling_sources(const std::vector<int>& sides);

/// Makes the pictures of all rungs out of one decoded frame: the largest from the frame, upright and with square
/// pixels, and each other one from a rung above it.
class picture_ladder {
public:
  picture_ladder(const plan& plan, const colour& to);

  /// The pictures of the first `rungs` rungs, from the largest on, with the frame's pts. Fewer rungs come out the same.
  result<std::vector<frame_ptr>> run(const AVFrame& frame, std::size_t rungs);

private:
  result<frame_ptr> largest(const AVFrame& frame);
  result<frame_ptr> upright(frame_ptr picture);

  std::vector<scaler> steps_;
  std::vector<std::size_t> from_;  ///< for each step, whose picture it scales
  std::optional<scaler> hdr_step_; ///< in place of the first, for frames that are tone-mapped then
  std::optional<tone_map> tone_map_;
  int lying_width_ = 0; ///< of the largest rung, as the frame lies
  int lying_height_ = 0;
  std::string turn_; ///< filters that set the picture upright; empty where it is already
  std::optional<filter_chain> turning_;
  AVRational time_base_;
};

} // namespace vp::media
