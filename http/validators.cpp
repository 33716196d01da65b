#include "http/validators.hpp"

#include <fmt/chrono.h>

#include <ctime>

namespace vp::http {

namespace {

/// Weak comparison: `W/` is of no account (RFC 9110 section 8.8.3.2).
bool lists(std::string_view tags, std::string_view etag) {
  while (!tags.empty()) {
    const auto start = tags.find_first_not_of(" \t,");
    if (start == std::string_view::npos)
      return false;
    tags.remove_prefix(start);
    if (tags.front() == '*')
      return true;
    if (tags.starts_with("W/"))
      tags.remove_prefix(2);
    const auto end = tags.starts_with('"') ? tags.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos)
      return false;
    if (tags.substr(0, end + 1) == etag)
      return true;
    tags.remove_prefix(end + 1);
  }
  return false;
}

} // namespace

std::string format_date(std::time_t instant) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(instant));
}

std::optional<std::time_t> parse_date(std::string_view text) {
  const std::string terminated{text};
  std::tm parts{};
  const char* end = ::strptime(terminated.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0')
    return std::nullopt;
  return ::timegm(&parts);
}

bool is_not_modified(const request_head& head, const validators& current) {
  if (const auto tags = head.find(field::if_none_match); tags != head.end())
    return lists({tags->value().data(), tags->value().size()}, current.etag);
  const auto since = head.find(field::if_modified_since);
  if (since == head.end())
    return false;
  const auto instant = parse_date({since->value().data(), since->value().size()});
  return instant && current.modified <= *instant;
}

bool range_applies(const request_head& head, const validators& current) {
  const auto condition = head.find(field::if_range);
  if (condition == head.end())
    return true;
  const std::string_view text{condition->value().data(), condition->value().size()};
  if (text.starts_with('"'))
    return text == current.etag;
  const auto instant = parse_date(text);
  return instant && *instant == current.modified;
}

} // namespace vp::http
