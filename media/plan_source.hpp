#pragma once

#include "media/demuxer.hpp"
#include "media/types.hpp"

#include <memory>

namespace vp::media {

/// The source of a plan, opened for its video. Errors: those of `demuxer::open`, and `invalid_request` where the plan
/// has no video, or the source none in its place.
result<std::unique_ptr<demuxer>> open_video(byte_source& source, const plan& plan, const interrupt& stop);

} // namespace vp::media
