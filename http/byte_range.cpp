#include "http/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <system_error>

namespace vp::http {

namespace {

/// Digits and nothing else. What does not fit is as good as the largest number: it is past the end of every file.
std::optional<std::uint64_t> parse_position(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc::result_out_of_range)
    value = std::numeric_limits<std::uint64_t>::max();
  return value;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_bytes_unit(std::string_view unit) {
  return unit.size() == 5
         && std::equal(unit.begin(), unit.end(), "bytes", [](char x, char y) { return (x | 0x20) == y; });
}

} // namespace

byte_range choose_range(std::string_view range, std::uint64_t size) {
  const byte_range whole{range_kind::whole, 0, size};
  const auto equals = range.find('=');
  if (equals == std::string_view::npos || !is_bytes_unit(trim(range.substr(0, equals))))
    return whole;
  const auto spec = trim(range.substr(equals + 1));
  const auto dash = spec.find('-');
  if (dash == std::string_view::npos)
    return whole;
  const auto head = spec.substr(0, dash);
  const auto tail = spec.substr(dash + 1);
  const auto first = parse_position(head);
  const auto last = parse_position(tail);

  if (head.empty()) {
    if (!last)
      return whole;
    const auto length = std::min(*last, size);
    return length == 0 ? byte_range{range_kind::unsatisfiable, 0, 0}
                       : byte_range{range_kind::part, size - length, length};
  }
  if (!first || (!last && !tail.empty()) || (last && *last < *first))
    return whole;
  if (*first >= size)
    return {range_kind::unsatisfiable, 0, 0};
  const auto end = std::min(last.value_or(size - 1), size - 1);
  return {range_kind::part, *first, end - *first + 1};
}

} // namespace vp::http
