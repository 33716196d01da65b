#include "http/late_fragment.hpp"

#include "http/connection.hpp"
#include "http/mime.hpp"
#include "http/owner.hpp"
#include "media/mp4.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace vp::http {

namespace {

constexpr std::string_view extension = ".m4s";

/// The number in `<number>.m4s`.
std::optional<std::uint32_t> fragment_number(std::string_view name) {
  if (!name.ends_with(extension))
    return std::nullopt;
  name.remove_suffix(extension.size());
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (failure != std::errc{} || end != name.data() + name.size())
    return std::nullopt;
  return number;
}

/// A viewer's wish; taken back when the answer ends, however it does.
class held_wish {
public:
  held_wish(job_manager_actor jobs, std::string hash, std::uint64_t id)
      : jobs_(std::move(jobs)), hash_(std::move(hash)), id_(id) {}
  ~held_wish() { tell(jobs_, abort_atom_v, hash_, id_); }
  held_wish(const held_wish&) = delete;
  held_wish& operator=(const held_wish&) = delete;

  const std::string& hash() const { return hash_; }
  std::uint64_t id() const { return id_; }

private:
  job_manager_actor jobs_;
  std::string hash_;
  std::uint64_t id_;
};

/// The fragment behind its first bytes, once it is there.
asio::awaitable<result<file_slice>> rest_of(service& app, std::shared_ptr<held_wish> wish,
                                            std::vector<std::string> path, connection& client) {
  using namespace asio::experimental::awaitable_operators;
  auto waited = co_await (ask<void>(app.actors.system, app.actors.jobs, app.config.limits.fragment_time, await_atom_v,
                                    wish->hash(), wish->id())
                          || client.wait_until_gone());
  const auto* granted = std::get_if<result<void>>(&waited);
  if (granted == nullptr)
    co_return fail(errc::cancelled, "the viewer has gone");
  if (!*granted)
    co_return tl::unexpected(granted->error());
  auto file = app.media.find(path);
  if (!file)
    co_return tl::unexpected(file.error());
  const auto head = media::fragment_head().size();
  co_return file_slice{std::move(file->handle), head, file->size - head};
}

/// Nobody here is at work on the video.
asio::awaitable<reply> explain(exchange& request, const std::string& hash) {
  if (auto answered = co_await ask_owner(request, hash, request.limits().fragment_time))
    co_return std::move(*answered);
  const auto video =
      co_await request.ask<vp::video>(request.app.actors.catalog, request.limits().answer_time, get_atom_v, hash);
  if (!video || video->status == video_status::completed || !is_playable(video->status, video->progress))
    co_return problem_reply(problem{status::not_found, "no such file"});
  // An upload that has paused: its job begins again with its session.
  if (video->status == video_status::uploading)
    co_await request.ask<upload_session_actor>(request.app.actors.sessions, request.limits().answer_time,
                                               session_atom_v, hash);
  co_return problem_reply(problem{status::service_unavailable, "the work on this video is about to begin"});
}

} // namespace

asio::awaitable<reply> late_fragment(exchange& request) {
  const auto number = fragment_number(request.arguments.back());
  if (!number || !is_video_hash(request.arguments.front()))
    co_return problem_reply(problem{status::not_found, "no such file"});
  if (request.head.version() < 11) // which knows no chunks, so that it could not tell an answer that is broken off
    co_return problem_reply(problem{status::service_unavailable, "this fragment is not there yet"});
  fragment_wish wanted{request.arguments[0], request.arguments[2], *number, request.client.address()};
  const auto& hash = wanted.video_hash;
  const auto id =
      co_await request.ask<std::uint64_t>(request.app.actors.jobs, request.limits().answer_time, wish_atom_v, wanted);
  if (!id && id.error().code == errc::conflict)
    co_return co_await explain(request, hash);
  if (!id)
    co_return problem_reply(id.error());
  auto answer = empty_reply(status::ok);
  const auto type = mime_type(request.arguments.back());
  answer.head.set(field::content_type, {type.data(), type.size()});
  answer.head.set(field::cache_control, "public, max-age=31536000, immutable");
  const auto head = media::fragment_head();
  answer.body = late_file{std::string(head.begin(), head.end()),
                          [&app = request.app, wish = std::make_shared<held_wish>(request.app.actors.jobs, hash, *id),
                           path = std::vector<std::string>(request.arguments.begin(), request.arguments.end())](
                              connection& client) { return rest_of(app, wish, path, client); }};
  co_return answer;
}

} // namespace vp::http
