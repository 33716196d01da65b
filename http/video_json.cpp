#include "http/video_json.hpp"

#include "actors/json.hpp"

#include <fmt/format.h>

namespace vp::http {

namespace {

using nlohmann::json;

json text_or_null(const std::string& text) {
  return text.empty() ? json{} : json(text);
}

template <class T>
json positive_or_null(T number) {
  return number > 0 ? json(number) : json{};
}

json upload_path(const video& video, bool exists, std::string_view file) {
  return exists ? json(fmt::format("/media/uploads/{}/{}", video.hash, file)) : json{};
}

} // namespace

json to_json(const video& video) {
  const bool playable = is_playable(video.status, video.progress);
  const bool in_work = (video.status == video_status::processing || video.status == video_status::uploading)
                       && !video.progress.phase.empty();
  return {{"id", video.id},
          {"video_hash", video.hash},
          {"title", video.title},
          {"description", text_or_null(video.description)},
          {"file_size", video.file_size},
          {"mime_type", text_or_null(video.mime_type)},
          {"total_chunks", video.total_chunks},
          {"received_chunks", video.received_chunks},
          {"status", to_string(video.status)},
          {"error", text_or_null(video.error)},
          {"progress", in_work ? json(video.progress) : json{}},
          {"url", upload_path(video, playable, "hls/playlist.m3u8")},
          {"hls_url", upload_path(video, playable, "hls/playlist.m3u8")},
          {"dash_url", upload_path(video, playable, "dash/manifest.mpd")},
          {"thumbnail_url", upload_path(video, video.has_poster, "poster.jpg")},
          {"width", positive_or_null(video.width)},
          {"height", positive_or_null(video.height)},
          {"duration", positive_or_null(video.duration)},
          {"codec", text_or_null(video.codec)},
          {"actual_mime_type", text_or_null(video.actual_mime_type)},
          {"created_at", video.created_at},
          {"updated_at", video.updated_at}};
}

std::string hls_path(std::string_view hash) {
  return fmt::format("/media/uploads/{}/hls/playlist.m3u8", hash);
}

} // namespace vp::http
