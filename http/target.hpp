#pragma once

#include "media/error.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vp::http {

/// The target of a request: the segments of its path, percent-decoded, and its query as it came.
///
/// `/videos/abc/?x=1` has the segments `videos` and `abc` and a trailing slash; `/` has none.
struct target {
  std::vector<std::string> segments;
  bool trailing_slash = false;
  std::string query;
};

/// Takes origin-form and absolute-form (RFC 9112 section 3.2). `invalid_request` for what is no path at all,
/// `not_found` for what can't name anything here: dot segments, an encoded slash, a NUL byte.
result<target> parse_target(std::string_view text);

/// Nothing when an escape is malformed (RFC 3986 section 2.1).
std::optional<std::string> percent_decode(std::string_view text);

/// The first value of `key` in a query, decoded.
std::optional<std::string> query_value(std::string_view query, std::string_view key);

} // namespace vp::http
