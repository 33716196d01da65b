#pragma once

#include "http/router.hpp"

namespace vp::http {

/// The chunks of uploads, as a raw body or as the field `chunk` of a form.
void add_upload_api(router& routes);

} // namespace vp::http
