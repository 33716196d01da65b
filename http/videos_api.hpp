#pragma once

#include "http/router.hpp"

namespace vp::http {

/// The videos: begin an upload, finalize, list, show, retry, delete.
void add_videos_api(router& routes);

} // namespace vp::http
