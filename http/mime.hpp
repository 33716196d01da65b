#pragma once

#include <string_view>

namespace vp::http {

/// The media type that a file's name stands for; `application/octet-stream` where it stands for none.
std::string_view mime_type(std::string_view file_name);

} // namespace vp::http
