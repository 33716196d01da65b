#include "http/late_fragment.hpp"

#include "http/connection.hpp"
#include "http/mime.hpp"
#include "http/owner.hpp"
#include "media/mp4.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <charconv>
#include <functional>
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

/// Completes when the fragment is there.
using wait_for_it = std::function<asio::awaitable<result<void>>()>;

/// The fragment behind its first bytes, once it is there.
asio::awaitable<result<file_slice>> rest_of(service& app, std::vector<std::string> path, wait_for_it wait,
                                            connection& client) {
  using namespace asio::experimental::awaitable_operators;
  auto waited = co_await (wait() || client.wait_until_gone());
  const auto* arrived = std::get_if<result<void>>(&waited);
  if (arrived == nullptr)
    co_return fail(errc::cancelled, "the viewer has gone");
  if (!*arrived)
    co_return tl::unexpected(arrived->error());
  auto file = app.media.find(path);
  if (!file)
    co_return tl::unexpected(file.error());
  const auto head = media::fragment_head().size();
  co_return file_slice{std::move(file->handle), head, file->size - head};
}

reply late_reply(const exchange& request, wait_for_it wait) {
  auto answer = empty_reply(status::ok);
  const auto type = mime_type(request.arguments.back());
  answer.head.set(field::content_type, {type.data(), type.size()});
  answer.head.set(field::cache_control, "public, max-age=31536000, immutable");
  const auto head = media::fragment_head();
  answer.body = late_file{std::string(head.begin(), head.end()),
                          [&app = request.app,
                           path = std::vector<std::string>(request.arguments.begin(), request.arguments.end()),
                           wait = std::move(wait)](connection& client) { return rest_of(app, path, wait, client); }};
  return answer;
}

/// Nobody here is at work on the video.
asio::awaitable<reply> ask_elsewhere(exchange& request, const std::string& hash) {
  if (const auto passed = co_await pass_to_owner(request, hash, request.limits().fragment_time)) {
    // The owner tells when it is there; the disk is the same.
    if (passed->code() == status::ok)
      co_return late_reply(request, [passed] { return passed->skip(); });
    if (auto answer = co_await passed->whole())
      co_return std::move(*answer);
  }
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
  const fragment_wish wanted{request.arguments[0], request.arguments[2], *number, viewer_of(request)};
  const auto& hash = wanted.video_hash;
  const auto id =
      co_await request.ask<std::uint64_t>(request.app.actors.jobs, request.limits().answer_time, wish_atom_v, wanted);
  if (!id && id.error().code == errc::conflict)
    co_return co_await ask_elsewhere(request, hash);
  if (!id)
    co_return problem_reply(id.error());
  co_return late_reply(request,
                       [&app = request.app, wish = std::make_shared<held_wish>(request.app.actors.jobs, hash, *id)] {
                         return ask<void>(app.actors.system, app.actors.jobs, app.config.limits.fragment_time,
                                          await_atom_v, wish->hash(), wish->id());
                       });
}

} // namespace vp::http
