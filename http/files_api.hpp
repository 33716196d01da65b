#pragma once

#include "http/router.hpp"

namespace vp::http {

/// Files: what was made of the uploads, and the pages. Goes into the table last, since the pages' pattern fits
/// everything.
void add_files_api(router& routes);

} // namespace vp::http
