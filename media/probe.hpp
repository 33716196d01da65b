#pragma once

#include "media/demuxer.hpp"
#include "media/types.hpp"

namespace vp::media {

/// What the container says of itself and of the two streams that a player would choose. `duration` and the frame rate
/// are what the header claims; whoever reads the packets knows better.
source_info probe(demuxer& opened, byte_source& source);

/// What only a decoded picture tells: its format, its fields, its transfer function.
void refine(video_stream& video, const AVFrame& first);

} // namespace vp::media
