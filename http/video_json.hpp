#pragma once

#include "actors/messages.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace vp::http {

/// A video as clients see it. Addresses are paths on this server; what is not known or not there yet is null.
nlohmann::json to_json(const video& video);

/// Where the HLS playlist of a video is, or will be.
std::string hls_path(std::string_view hash);

} // namespace vp::http
