#pragma once

#include "media/av.hpp"
#include "media/scaler.hpp"

#include <cstdint>
#include <vector>

namespace vp::media {

/// Makes HDR pictures (BT.2020 with PQ or HLG, ITU-R BT.2100) watchable on an SDR display: BT.709, 8 bits.
///
/// What is as bright as paper keeps its brightness; what is brighter is squeezed under the maximum, in its hue. All of
/// it is in a table of colours that is looked up with whole numbers, so it costs little and comes out the same on every
/// processor.
class tone_map {
public:
  tone_map(int width, int height) : pool_(width, height, AV_PIX_FMT_YUV420P) {}

  /// `from` is yuv420p10 of limited range and has a transfer function for which `is_hdr`.
  result<frame_ptr> run(const AVFrame& from);

private:
  frame_pool pool_;
};

} // namespace vp::media
