#pragma once

#include "media/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace vp::cli {

/// A port in words. Error: `invalid_request`.
result<std::uint16_t> parse_port(std::string_view text);

/// `HOST:PORT`, or `[ADDRESS]:PORT` for IPv6. Error: `invalid_request`.
result<std::pair<std::string, std::uint16_t>> parse_place(const std::string& text);

} // namespace vp::cli
