#pragma once

#include <cstdint>
#include <string_view>

namespace vp::http {

enum class range_kind : std::uint8_t { whole, part, unsatisfiable };

/// Which bytes of a representation a request is about.
struct byte_range {
  range_kind kind = range_kind::whole;
  std::uint64_t offset = 0;
  std::uint64_t size = 0; ///< bytes

  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// Reads a `Range` field (RFC 9110 section 14.2) for a representation of `size` bytes. One range or one suffix is
/// honoured; several at once, another unit and what is malformed are ignored, as a server may, and mean the whole.
byte_range choose_range(std::string_view range, std::uint64_t size);

} // namespace vp::http
