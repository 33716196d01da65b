#pragma once

#include "kafka/record.hpp"

#include <tl/expected.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What our messages look like. Everything that is read may come from anybody: a value that is not as it should be
/// gives a reason, a short sentence that quotes nothing of it.
namespace vp::kafka {

/// A value or the reason why there is none.
template <class T>
using parsed = tl::expected<T, std::string>;

/// No job is larger.
inline constexpr std::size_t max_job_size = std::size_t{64} * 1024;

/// `{"version":1,"video_hash":"<64 lower-case hex digits>","video_path":"..."}`. The path is for people and may be
/// absent, the version as well (it is 1 then). Unknown fields are ignored.
struct job_message {
  std::string video_hash;
  std::string video_path;
};

std::string job_value(std::string_view video_hash, std::string_view video_path);
parsed<job_message> parse_job(std::string_view value);

/// `{"version":1,"id":17,"video_hash":"...","kind":"queued","data":{...}}`
struct event_message {
  std::int64_t id = 0;
  std::string video_hash;
  std::string kind;
  std::string data; ///< JSON
};

/// `data` is JSON and goes in as it is; where it is not, `null` goes in.
std::string event_value(std::int64_t id, std::string_view video_hash, std::string_view kind, std::string_view data);
parsed<event_message> parse_event(std::string_view value);

/// A job that could not be done, as it lies in `settings::dead_topic()`: the job's key and the beginning of its value,
/// and in headers `reason`, `attempts`, `origin`, `time` and, where the value was cut, `original-size`.
struct dead_letter {
  std::string key;   ///< the job's; where it had none, or one of over 1 KiB, its origin
  std::string value; ///< its first 16 KiB
  std::string reason;
  std::uint32_t attempts = 0;
  std::string origin;              ///< `topic/partition/offset`
  std::string time;                ///< RFC 3339, UTC, such as `2026-11-24T13:05:00Z`
  std::uint64_t original_size = 0; ///< of the value, in bytes
};

/// Of a job that was given up just now.
dead_letter to_dead_letter(const record& job, std::string_view reason, std::uint32_t attempts,
                           std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

message to_message(const dead_letter& letter, std::string dead_topic);

/// Nothing for a tombstone. Headers that are absent or wrong leave their fields empty: others may write there as well.
std::optional<dead_letter> from_record(const record& record);

/// Takes the dead letters of this key back.
message tombstone(std::string key, std::string dead_topic);

} // namespace vp::kafka
