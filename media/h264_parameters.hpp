#pragma once

#include "media/av.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace vp::media {

/// What stands beside an H.264 stream in an MP4 (avcC, ISO/IEC 14496-15 section 5.3.3.1).
struct h264_parameter_sets {
  std::size_t length_size = 4;                         ///< bytes of the length before each NAL unit
  std::vector<std::span<const std::uint8_t>> sequence; ///< NAL units, within the parameters that they were found in
  std::vector<std::span<const std::uint8_t>> picture;
};

/// None for another kind of stream, or one that has them in its packets only.
std::optional<h264_parameter_sets> parameter_sets_of(const AVCodecParameters& parameters);

/// Whether no picture of a H.264 stream is coded as two fields, which may then be packets of their own: by the
/// parameter sets beside the stream (ISO/IEC 14496-15 section 5.3.3.1, ITU-T H.264 section 7.3.2.1.1). False where
/// there are none.
bool has_whole_frames_only(const AVCodecParameters& parameters);

} // namespace vp::media
