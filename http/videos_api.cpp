#include "http/videos_api.hpp"

#include "http/ask_session.hpp"
#include "http/owner.hpp"
#include "http/upload_request.hpp"
#include "http/video_json.hpp"

namespace vp::http {

namespace {

using nlohmann::json;

reply no_such_video() {
  return problem_reply(problem{status::not_found, "no such video"});
}

/// The video, or the error.
reply to_reply(const result<video>& found) {
  return found ? json_reply(status::ok, to_json(*found)) : problem_reply(found.error());
}

json missing_chunks(const upload_state& upload) {
  auto missing = json::array();
  auto present = upload.uploaded_chunks.begin();
  for (std::uint32_t index = 0; index < upload.video.total_chunks; ++index) {
    if (present != upload.uploaded_chunks.end() && *present == index)
      ++present;
    else
      missing.push_back(index);
  }
  return missing;
}

asio::awaitable<reply> init(exchange& request) {
  const auto body = co_await request.body.read_all(request.limits().json_body);
  if (!body)
    co_return problem_reply(body.error());
  auto wanted = parse_upload_request(*body);
  if (!wanted)
    co_return problem_reply(wanted.error());
  const auto upload = co_await request.ask<upload_state>(request.app.actors.sessions, request.limits().disk_time,
                                                         init_atom_v, std::move(*wanted));
  if (!upload)
    co_return problem_reply(upload.error());
  auto answer = to_json(upload->video);
  answer["resumable"] = upload->resumable;
  answer["uploaded_chunks"] = upload->uploaded_chunks;
  answer["missing_chunks"] = missing_chunks(*upload);
  co_return json_reply(status::ok, answer);
}

asio::awaitable<reply> finalize(exchange& request) {
  const auto& hash = request.arguments.front();
  if (!is_video_hash(hash))
    co_return no_such_video();
  const auto answered = co_await ask_session<video>(request, hash, request.limits().finalize_time, finalize_atom_v);
  if (!answered)
    co_return problem_reply(answered.error());
  const auto now = answered->value.status;
  co_return json_reply(status::ok,
                       {{"message", now == video_status::completed ? "The video was finished before"
                                                                   : "The upload is complete and the video is queued"},
                        {"video_hash", hash},
                        {"video_url", hls_path(hash)},
                        {"status", to_string(now)}});
}

asio::awaitable<reply> list(exchange& request) {
  const auto videos =
      co_await request.ask<std::vector<video>>(request.app.actors.catalog, request.limits().answer_time, list_atom_v);
  if (!videos)
    co_return problem_reply(videos.error());
  auto answer = json::array();
  for (const auto& video : *videos)
    answer.push_back(to_json(video));
  co_return json_reply(status::ok, answer);
}

/// Asks the catalog something whose answer is the video.
template <class Atom>
asio::awaitable<reply> ask_catalog(exchange& request, Atom what) {
  const auto& hash = request.arguments.front();
  if (!is_video_hash(hash))
    co_return no_such_video();
  co_return to_reply(co_await request.ask<video>(request.app.actors.catalog, request.limits().answer_time, what, hash));
}

asio::awaitable<reply> show(exchange& request) {
  return ask_catalog(request, get_atom_v);
}

asio::awaitable<reply> retry(exchange& request) {
  return ask_catalog(request, retry_atom_v);
}

asio::awaitable<reply> remove(exchange& request) {
  const auto& hash = request.arguments.front();
  if (!is_video_hash(hash))
    co_return no_such_video();
  // The owner ends its job before the files go. Where it can't, the claim goes with the row, and the job with the
  // claim.
  if (auto answered = co_await ask_owner(request, hash))
    co_return std::move(*answered);
  const auto removed =
      co_await request.ask<void>(request.app.actors.sessions, request.limits().disk_time, remove_atom_v, hash);
  co_return removed ? empty_reply(status::no_content) : problem_reply(removed.error());
}

} // namespace

void add_videos_api(router& routes) {
  routes.add(verb::post, "/videos/init", init);
  routes.add(verb::post, "/videos/finalize/{video_hash}", finalize);
  routes.add(verb::post, "/videos/{video_hash}/retry", retry);
  routes.add(verb::get, "/videos", list);
  routes.add(verb::get, "/videos/{video_hash}", show);
  routes.add(verb::delete_, "/videos/{video_hash}", remove);
}

} // namespace vp::http
