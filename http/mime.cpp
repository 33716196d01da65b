#include "http/mime.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vp::http {

std::string_view mime_type(std::string_view file_name) {
  using entry = std::pair<std::string_view, std::string_view>;
  static constexpr auto types = std::to_array<entry>({
      {"m4s", "video/iso.segment"},
      {"mp4", "video/mp4"},
      {"m3u8", "application/vnd.apple.mpegurl"},
      {"mpd", "application/dash+xml"},
      {"m4a", "audio/mp4"},
      {"vtt", "text/vtt; charset=utf-8"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"png", "image/png"},
      {"svg", "image/svg+xml"},
      {"webp", "image/webp"},
      {"ico", "image/x-icon"},
      {"html", "text/html; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"wasm", "application/wasm"},
      {"woff2", "font/woff2"},
      {"txt", "text/plain; charset=utf-8"},
      {"md", "text/markdown; charset=utf-8"},
  });
  const auto dot = file_name.rfind('.');
  if (dot == std::string_view::npos)
    return "application/octet-stream";
  const auto extension = file_name.substr(dot + 1);
  const auto* found = std::find_if(types.begin(), types.end(), [&](const entry& x) { return x.first == extension; });
  return found == types.end() ? "application/octet-stream" : found->second;
}

} // namespace vp::http
