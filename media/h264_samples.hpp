#pragma once

#include "media/av.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace vp::media {

/// Looks at samples of H.264 that are to be handed on as they are: players are less forgiving than a decoder that
/// conceals what is damaged.
class h264_samples {
public:
  explicit h264_samples(const AVCodecParameters& parameters);

  /// What is wrong with one, in words; null where its NAL units fill it exactly (ISO/IEC 14496-15 section 5.3.4.2), it
  /// has a picture, of nothing but IDR slices where it is a keyframe, and parameter sets as they stand beside the
  /// stream.
  const char* fault(std::span<const std::uint8_t> sample, bool key) const;

private:
  std::size_t length_size_ = 0; ///< bytes of the length before each NAL unit; 0 where there are no parameters
  std::set<std::vector<std::uint8_t>> parameters_;
};

} // namespace vp::media
