#pragma once

#include "media/types.hpp"

#include <string>
#include <vector>

namespace vp {

/// Whether this rendition has a fragment in this cell.
bool has_media(const media::rendition& rendition, const media::segment& cell);

/// The ids of the renditions that have media in this cell, in the plan's order.
std::vector<std::string> renditions_in(const media::plan& plan, const media::segment& cell);

/// How much of the timeline a cell covers, in seconds.
double seconds_of(const media::plan& plan, const media::segment& cell);

} // namespace vp
