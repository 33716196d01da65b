#pragma once

#include "actors/messages.hpp"
#include "http/common.hpp"

#include <string_view>

namespace vp::http {

/// Reads the body of `POST /videos/init`. 400 for what is no JSON object, 422 for a field that is missing or of another
/// type; fields that are not known are ignored. Whether the numbers make sense the session manager knows.
answer<upload_request> parse_upload_request(std::string_view body);

} // namespace vp::http
