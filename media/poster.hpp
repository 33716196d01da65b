#pragma once

#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

#include <vector>

namespace vp::media {

/// A JPEG that stands for the video: a picture from about a tenth into it that is not dark, upright and with square
/// pixels, at most 640 wide. Decodes keyframes only, where one of them will do. `end` is the video's, in ticks.
result<std::vector<unsigned char>> make_poster(byte_source& source, const plan& plan, std::int64_t end,
                                               const interrupt& stop);

} // namespace vp::media
