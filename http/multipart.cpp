#include "http/multipart.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace vp::http {

namespace {

using item = multipart_parser::item;
using kind = multipart_parser::kind;

constexpr std::string_view line_break = "\r\n";
/// Together they fit into a window.
constexpr std::size_t most_spaces = 256;
constexpr std::size_t most_header = 8 * 1024;

/// The value of a parameter such as `; name="chunk"`.
std::optional<std::string> parameter(std::string_view parameters, std::string_view name) {
  for (const auto& [key, value] : beast::http::param_list{{parameters.data(), parameters.size()}}) {
    if (beast::iequals(key, {name.data(), name.size()}))
      return std::string{value.data(), value.size()};
  }
  return std::nullopt;
}

/// A header's value up to its parameters, and those.
std::pair<std::string_view, std::string_view> split_value(std::string_view value) {
  const auto first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos)
    return {};
  value.remove_prefix(first);
  const auto semicolon = std::min(value.find(';'), value.size());
  auto essence = value.substr(0, semicolon);
  while (!essence.empty() && (essence.back() == ' ' || essence.back() == '\t'))
    essence.remove_suffix(1);
  return {essence, value.substr(semicolon)};
}

bool equals(std::string_view x, std::string_view y) {
  return beast::iequals({x.data(), x.size()}, {y.data(), y.size()});
}

/// The field's name in the header block of a part; empty where there is none.
std::string field_name(std::string_view header) {
  while (!header.empty()) {
    const auto end = std::min(header.find(line_break), header.size());
    const auto line = header.substr(0, end);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && equals(line.substr(0, colon), "Content-Disposition")) {
      const auto [essence, parameters] = split_value(line.substr(colon + 1));
      return equals(essence, "form-data") ? parameter(parameters, "name").value_or("") : "";
    }
    header.remove_prefix(std::min(end + line_break.size(), header.size()));
  }
  return "";
}

tl::unexpected<problem> malformed(const char* what) {
  return refuse(status::bad_request, fmt::format("malformed multipart body: {}", what));
}

} // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  const auto [essence, parameters] = split_value(content_type);
  if (!equals(essence, "multipart/form-data"))
    return std::nullopt;
  auto boundary = parameter(parameters, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70)
    return std::nullopt;
  const auto allowed = [](unsigned char c) { return c >= 0x20 && c < 0x7f; };
  if (!std::all_of(boundary->begin(), boundary->end(), allowed) || boundary->back() == ' ')
    return std::nullopt;
  return boundary;
}

multipart_parser::multipart_parser(std::string_view boundary) : delimiter_(fmt::format("\r\n--{}", boundary)) {}

answer<item> multipart_parser::next(std::string_view window) {
  switch (state_) {
  case state::data:
    return read_data(window);
  case state::delimiter:
    return read_delimiter(window);
  case state::finished:
    break;
  }
  return item{kind::end, window.size(), {}, {}};
}

answer<item> multipart_parser::read_data(std::string_view window) {
  const auto found = window.find(delimiter_);
  if (found == 0) {
    state_ = state::delimiter;
    return item{kind::part_end, delimiter_.size(), {}, {}};
  }
  auto size = found;
  if (found == std::string_view::npos) {
    // The last bytes may be the beginning of a delimiter: all from a carriage return on.
    const auto tail = window.size() - std::min(window.size(), delimiter_.size() - 1);
    size = std::min(window.find('\r', tail), window.size());
  }
  if (size == 0)
    return item{};
  return item{kind::data, size, window.substr(0, size), {}};
}

/// What follows the boundary: `--` after the last part, else spaces, a line break and the header of a part.
answer<item> multipart_parser::read_delimiter(std::string_view window) {
  if (window.starts_with("--")) {
    state_ = state::finished;
    return item{kind::end, 2, {}, {}};
  }
  const auto spaces = std::min(window.find_first_not_of(" \t"), window.size());
  if (spaces > most_spaces)
    return malformed("a boundary without a line break");
  const auto rest = window.substr(spaces);
  if (!rest.starts_with(line_break))
    return line_break.starts_with(rest) || (spaces == 0 && rest == "-")
               ? answer<item>{item{}}
               : answer<item>{malformed("a boundary without a line break")};
  auto part = read_header(rest);
  if (part)
    part->used += spaces;
  return part;
}

/// `window` begins with the line break before the first field, so that a part without fields is no special case.
answer<item> multipart_parser::read_header(std::string_view window) {
  const auto end = window.find("\r\n\r\n");
  if (end > most_header && window.size() > most_header)
    return refuse(status::request_header_fields_too_large, "the header of a part is too large");
  if (end == std::string_view::npos)
    return item{};
  const auto fields = window.substr(std::min(end, line_break.size()), end - std::min(end, line_break.size()));
  state_ = state::data;
  return item{kind::part, end + 4, {}, field_name(fields)};
}

} // namespace vp::http
