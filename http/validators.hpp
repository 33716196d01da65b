#pragma once

#include "http/common.hpp"

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace vp::http {

/// An instant as HTTP spells it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
std::string format_date(std::time_t instant);
std::optional<std::time_t> parse_date(std::string_view text);

/// What tells one version of a file from another (RFC 9110 section 8.8).
struct validators {
  std::string etag; ///< strong, with its quotes
  std::time_t modified = 0;
};

/// The client's copy is good: answer 304. `If-None-Match` counts before `If-Modified-Since`.
bool is_not_modified(const request_head& head, const validators& current);

/// Whether a `Range` is about this version (`If-Range`); without a condition it is.
bool range_applies(const request_head& head, const validators& current);

} // namespace vp::http
