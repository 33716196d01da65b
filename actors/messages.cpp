#include "actors/messages.hpp"

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

const char* to_string(video_status status) noexcept {
  for (auto& [value, name] : status_names)
    if (value == status)
      return name;
  return "unknown";
}

std::optional<video_status> parse_status(std::string_view text) noexcept {
  for (auto& [value, name] : status_names)
    if (text == name)
      return value;
  return std::nullopt;
}

} // namespace vp
