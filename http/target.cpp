#include "http/target.hpp"

#include <charconv>

namespace vp::http {

namespace {

/// `http://host/path` as `/path`: clients send it to proxies, and servers must understand it.
std::string_view without_authority(std::string_view text) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme))
      continue;
    text.remove_prefix(scheme.size());
    const auto path = text.find_first_of("/?");
    return path == std::string_view::npos ? "/" : text.substr(path);
  }
  return text;
}

bool names_nothing(std::string_view segment) {
  return segment == "." || segment == ".." || segment.find('/') != std::string_view::npos
         || segment.find('\0') != std::string_view::npos;
}

} // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  while (!text.empty()) {
    if (text.front() != '%') {
      decoded += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 3)
      return std::nullopt;
    unsigned char byte = 0;
    const char* end = text.data() + 3;
    if (std::from_chars(text.data() + 1, end, byte, 16).ptr != end)
      return std::nullopt;
    decoded += static_cast<char>(byte);
    text.remove_prefix(3);
  }
  return decoded;
}

result<target> parse_target(std::string_view text) {
  text = without_authority(text);
  target parsed;
  if (const auto mark = text.find('?'); mark != std::string_view::npos) {
    parsed.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (text.empty() && !parsed.query.empty())
    return parsed;
  if (!text.starts_with('/'))
    return fail(errc::invalid_request, "the target of the request is not a path");
  text.remove_prefix(1);
  while (!text.empty()) {
    const auto slash = text.find('/');
    auto segment = percent_decode(text.substr(0, slash));
    if (!segment)
      return fail(errc::invalid_request, "the path has a malformed percent-encoding");
    if (names_nothing(*segment))
      return fail(errc::not_found, "no such page");
    parsed.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos)
      return parsed;
    text.remove_prefix(slash + 1);
  }
  parsed.trailing_slash = true;
  return parsed;
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) == key)
      return equals == std::string_view::npos ? std::string{} : percent_decode(pair.substr(equals + 1));
    if (end == std::string_view::npos)
      break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

} // namespace vp::http
