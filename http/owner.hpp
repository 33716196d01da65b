#pragma once

#include "http/exchange.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace vp::http {

/// Where servers share a data folder, one of them works on a video, and there are requests that only that one can do.
/// Passes such a request on, without its body, and gives back the owner's answer. Nothing when it is to be done here:
/// nobody works on the video or this server does, the owner passed the request on itself, or the owner does not answer
/// within `limit`.
asio::awaitable<std::optional<reply>> ask_owner(const exchange& request, const std::string& video_hash,
                                                std::chrono::milliseconds limit);

} // namespace vp::http
