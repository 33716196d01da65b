#pragma once

#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

#include <vector>

namespace vp::media {

/// A JPEG that stands for the video: a picture from about a tenth into it that is not dark, upright and with square
/// pixels, at most 640 wide. Decodes keyframes only, where one of them will do.
result<std::vector<unsigned char>> make_poster(byte_source& source, const plan& plan, const interrupt& stop);

/// Where it is looked for first, in a video that ends then; both in ticks.
std::int64_t poster_time(std::int64_t video_end);

} // namespace vp::media
