#pragma once

#include "media/error.hpp"

#include <map>
#include <string>

namespace vp::media {

/// Everything here that has a say in which bytes an encoder makes, by name, such as `libavcodec` or `x264`. Two
/// machines make the same files only where these are the same. Encodes a few frames to learn them, which also has the
/// libraries make what they make at first use. Error: `encoder_failed`.
result<std::map<std::string, std::string>> versions();

} // namespace vp::media
