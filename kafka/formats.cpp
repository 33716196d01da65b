#include "kafka/formats.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <system_error>
#include <utility>

namespace vp::kafka {

namespace {

using nlohmann::json;

constexpr std::uint64_t version = 1;
constexpr int max_depth = 16;
constexpr std::size_t max_letter_key = 1024;
constexpr std::size_t max_letter_value = std::size_t{16} * 1024;
constexpr std::size_t max_reason = 1024;

bool is_video_hash(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_digit);
}

/// As JSON. Bytes that are no UTF-8 become U+FFFD instead of an exception.
std::string quoted(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

tl::unexpected<std::string> because(std::string reason) {
  return tl::unexpected<std::string>(std::move(reason));
}

/// An object of our version, and not deeper than any of ours.
parsed<json> parse_object(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > max_depth;
    return depth <= max_depth; // what is below is not kept
  };
  json object;
  try {
    object = json::parse(text, watch);
  } catch (const json::parse_error& what) {
    return because("not JSON, at byte " + std::to_string(what.byte));
  } catch (const json::exception&) {
    return because("not JSON"); // a number that is out of range
  }
  if (too_deep)
    return because("nested too deeply");
  if (!object.is_object())
    return because("not a JSON object");
  if (const auto found = object.find("version"); found != object.end()) {
    if (!found->is_number_unsigned() || *found == 0U)
      return because("\"version\" is not a whole number from 1 on");
    if (found->get<std::uint64_t>() > version)
      return because("\"version\" is above " + std::to_string(version) + ": this program is too old for it");
  }
  return object;
}

parsed<std::string> read_text(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end())
    return because(std::string("\"") + name + "\" is missing");
  if (!found->is_string())
    return because(std::string("\"") + name + "\" is not a text");
  return found->get<std::string>();
}

parsed<std::string> read_hash(const json& object) {
  auto hash = read_text(object, "video_hash");
  if (hash && !is_video_hash(*hash))
    return because("\"video_hash\" is not 64 lower-case hex digits");
  return hash;
}

std::string utc(std::chrono::system_clock::time_point when) {
  const auto seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

/// The beginning of a text, without half a character at its end.
std::string beginning(std::string_view text, std::size_t limit) {
  if (text.size() <= limit)
    return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U)
    --limit;
  return std::string(text.substr(0, limit));
}

std::string header(const record& record, std::string_view name) {
  const auto found = std::find_if(record.headers.begin(), record.headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == record.headers.end() ? std::string() : found->second;
}

template <class T>
T to_number(std::string_view text, T otherwise) {
  T number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc{} && end == text.data() + text.size() ? number : otherwise;
}

} // namespace

std::string job_value(std::string_view video_hash, std::string_view video_path) {
  return R"({"version":1,"video_hash":)" + quoted(video_hash) + R"(,"video_path":)" + quoted(video_path) + "}";
}

parsed<job_message> parse_job(std::string_view value) {
  if (value.size() > max_job_size)
    return because("over " + std::to_string(max_job_size) + " bytes");
  const auto object = parse_object(value);
  if (!object)
    return because(object.error());
  auto hash = read_hash(*object);
  if (!hash)
    return because(hash.error());
  auto path = object->contains("video_path") ? read_text(*object, "video_path") : std::string();
  if (!path)
    return because(path.error());
  return job_message{std::move(*hash), std::move(*path)};
}

std::string event_value(std::int64_t id, std::string_view video_hash, std::string_view kind, std::string_view data) {
  return R"({"version":1,"id":)" + std::to_string(id) + R"(,"video_hash":)" + quoted(video_hash) + R"(,"kind":)"
         + quoted(kind) + R"(,"data":)" + (json::accept(data) ? std::string(data) : "null") + "}";
}

parsed<event_message> parse_event(std::string_view value) {
  const auto object = parse_object(value);
  if (!object)
    return because(object.error());
  const auto id = object->find("id");
  if (id == object->end() || !id->is_number_unsigned() || !std::in_range<std::int64_t>(id->get<std::uint64_t>()))
    return because("\"id\" is not a whole number from 0 on");
  auto hash = read_hash(*object);
  if (!hash)
    return because(hash.error());
  auto kind = read_text(*object, "kind");
  if (!kind)
    return because(kind.error());
  const auto data = object->find("data");
  return event_message{id->get<std::int64_t>(), std::move(*hash), std::move(*kind),
                       data == object->end() ? "null" : data->dump(-1, ' ', false, json::error_handler_t::replace)};
}

dead_letter to_dead_letter(const record& job, std::string_view reason, std::uint32_t attempts,
                           std::chrono::system_clock::time_point now) {
  auto origin = job.topic + "/" + std::to_string(job.at.partition) + "/" + std::to_string(job.at.offset);
  const bool has_key = job.key && !job.key->empty() && job.key->size() <= max_letter_key;
  return {.key = has_key ? *job.key : origin,
          .value = job.value.value_or("").substr(0, max_letter_value),
          .reason = beginning(reason, max_reason),
          .attempts = attempts,
          .origin = std::move(origin),
          .time = utc(now),
          .original_size = job.value_size};
}

message to_message(const dead_letter& letter, std::string dead_topic) {
  message out{.topic = std::move(dead_topic),
              .key = letter.key,
              .value = letter.value,
              .headers = {{"reason", letter.reason},
                          {"attempts", std::to_string(letter.attempts)},
                          {"origin", letter.origin},
                          {"time", letter.time}}};
  if (letter.original_size != letter.value.size())
    out.headers.emplace_back("original-size", std::to_string(letter.original_size));
  return out;
}

std::optional<dead_letter> from_record(const record& record) {
  if (!record.value)
    return std::nullopt;
  return dead_letter{.key = record.key.value_or(""),
                     .value = *record.value,
                     .reason = header(record, "reason"),
                     .attempts = to_number<std::uint32_t>(header(record, "attempts"), 0),
                     .origin = header(record, "origin"),
                     .time = header(record, "time"),
                     .original_size = to_number<std::uint64_t>(header(record, "original-size"), record.value_size)};
}

message tombstone(std::string key, std::string dead_topic) {
  return {.topic = std::move(dead_topic), .key = std::move(key), .value = std::nullopt, .headers = {}};
}

} // namespace vp::kafka
