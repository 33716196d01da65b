#include "cli/place.hpp"

#include <fmt/format.h>

#include <charconv>

namespace vp::cli {

result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || port == 0)
    return fail(errc::invalid_request, fmt::format("\"{}\" is no port", text));
  return port;
}

result<std::pair<std::string, std::uint16_t>> parse_place(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return fail(errc::invalid_request, fmt::format("\"{}\" is no HOST:PORT", text));
  auto port = parse_port(std::string_view(text).substr(colon + 1));
  if (!port)
    return tl::unexpected(port.error());
  auto host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return std::pair{std::move(host), *port};
}

} // namespace vp::cli
