#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vp::kafka {

using headers = std::vector<std::pair<std::string, std::string>>;

/// What is to be sent. An empty key is no key: any partition then. No value is a tombstone, an empty one is not.
struct message {
  std::string topic;
  std::string key;
  std::optional<std::string> value;
  kafka::headers headers;
};

/// A place in a topic.
struct position {
  std::int32_t partition = 0;
  std::int64_t offset = 0;

  friend auto operator<=>(const position&, const position&) = default;
};

/// Of a record's value that much is kept: a byte more than any job may have.
inline constexpr std::size_t kept_value_size = std::size_t{64} * 1024 + 1;

/// What was read.
struct record {
  std::string topic;
  position at;
  std::optional<std::string> key;
  std::optional<std::string> value; ///< its first `kept_value_size` bytes; none is a tombstone
  kafka::headers headers;
  std::uint64_t value_size = 0;   ///< in bytes, as it came
  std::int64_t timestamp_ms = -1; ///< since 1970; -1 where there is none
};

} // namespace vp::kafka
