#include "actors/messages.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vp {

namespace {

constexpr std::array status_names{
    std::pair{video_status::uploading, "uploading"},   std::pair{video_status::queued, "queued"},
    std::pair{video_status::processing, "processing"}, std::pair{video_status::completed, "completed"},
    std::pair{video_status::failed, "failed"},
};

} // namespace

bool is_video_hash(std::string_view text) noexcept {
  auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_digit);
}

const char* to_string(video_status status) noexcept {
  for (auto& [value, name] : status_names)
    if (value == status)
      return name;
  return "unknown";
}

bool is_playable(video_status status, const progress& now) noexcept {
  return status == video_status::completed || (status != video_status::failed && now.segments_total > 0);
}

std::optional<video_status> parse_status(std::string_view text) noexcept {
  for (auto& [value, name] : status_names)
    if (text == name)
      return value;
  return std::nullopt;
}

} // namespace vp
