#include "http/events_api.hpp"

#include "actors/json.hpp"
#include "http/exchange.hpp"
#include "http/video_json.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace vp::http {

namespace {

/// Events asked for at once, so at most so many are in memory for a slow reader.
constexpr std::uint32_t batch_size = 64;
/// More than the hub's idle time, so that it answers first.
constexpr auto hub_time = std::chrono::seconds(30);

/// Counts an open stream, however it ends.
class counted {
public:
  explicit counted(prometheus::Gauge& gauge) : gauge_(gauge) { gauge_.Increment(); }
  ~counted() { gauge_.Decrement(); }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

private:
  prometheus::Gauge& gauge_;
};

/// Where a reader that was here before wants to go on: nothing where it says none.
answer<std::optional<std::uint64_t>> resume_point(const exchange& request) {
  const auto header = request.head["Last-Event-ID"];
  std::string text{header.data(), header.size()};
  if (text.empty())
    text = query_value(request.where.query, "last_event_id").value_or("");
  if (text.empty())
    return std::nullopt;
  std::uint64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure != std::errc{} || end != text.data() + text.size())
    return refuse(status::bad_request, "the id of the last event is not a number");
  return id;
}

struct subscription {
  service& app;
  std::uint64_t after = 0; ///< id of the last event that the reader has
  std::string hash;        ///< empty: all videos
  std::string opening;     ///< what it gets first
};

/// Pulls events from the hub as fast as the reader takes them, and no faster.
asio::awaitable<void> pump(subscription reader, connection& client) {
  using namespace asio::experimental::awaitable_operators;
  const counted open{reader.app.measures.streams};
  if (co_await client.write(reader.opening))
    co_return;
  for (;;) {
    auto pulled = co_await (ask<std::vector<event>>(reader.app.actors.system, reader.app.actors.events, hub_time,
                                                    next_atom_v, reader.after, reader.hash, batch_size)
                            || client.wait_until_gone());
    const auto* events = std::get_if<result<std::vector<event>>>(&pulled);
    if (events == nullptr || !*events)
      co_return; // The reader comes again, and says where it was.
    std::string text;
    bool deleted = false;
    for (const auto& event : **events) {
      text += format_event(event.id, event.kind, event.data);
      reader.after = event.id;
      deleted = deleted || (event.kind == "deleted" && !reader.hash.empty());
    }
    if (text.empty())
      text = ":\n\n"; // a comment: still here
    const auto failure = co_await client.write(text);
    if (failure || deleted)
      co_return;
  }
}

/// A stream of the events of one video, or of all (empty hash), from where the reader was; for a newcomer from now on,
/// and of one video first how it is now.
asio::awaitable<reply> subscribe(exchange& request, std::string hash) {
  const auto wanted = resume_point(request);
  if (!wanted)
    co_return problem_reply(wanted.error());
  const auto newest =
      co_await request.ask<std::uint64_t>(request.app.actors.events, request.limits().answer_time, last_atom_v);
  if (!newest)
    co_return problem_reply(newest.error());
  // An id that is not given out yet comes from a log that is no more.
  const auto after = std::min(wanted->value_or(*newest), *newest);
  subscription reader{request.app, after, std::move(hash), fmt::format("retry: 2000\nid: {}\n\n", after)};
  if (!reader.hash.empty()) {
    // Only now, so that what happens in between is told twice rather than not at all.
    const auto video = co_await request.ask<vp::video>(request.app.actors.catalog, request.limits().answer_time,
                                                       get_atom_v, reader.hash);
    if (!video)
      co_return problem_reply(video.error());
    if (!*wanted)
      reader.opening += format_event(after, "snapshot", to_text(to_json(*video)));
  }
  auto answer = empty_reply(status::ok);
  answer.head.set(field::content_type, "text/event-stream");
  answer.head.set(field::cache_control, "no-store");
  answer.head.set("X-Accel-Buffering", "no");
  answer.body = stream{[reader = std::move(reader)](connection& client) { return pump(reader, client); }};
  co_return answer;
}

asio::awaitable<reply> all_events(exchange& request) {
  co_return co_await subscribe(request, "");
}

asio::awaitable<reply> video_events(exchange& request) {
  const std::string hash = request.arguments.front();
  if (!is_video_hash(hash))
    co_return problem_reply(problem{status::not_found, "no such video"});
  co_return co_await subscribe(request, hash);
}

} // namespace

std::string format_event(std::uint64_t id, std::string_view kind, std::string_view data) {
  std::string text;
  if (id != 0)
    text += fmt::format("id: {}\n", id);
  text += fmt::format("event: {}\n", kind);
  for (;;) {
    const auto end = data.find('\n');
    text += fmt::format("data: {}\n", data.substr(0, end));
    if (end == std::string_view::npos)
      break;
    data.remove_prefix(end + 1);
  }
  text += '\n';
  return text;
}

void add_events_api(router& routes) {
  routes.add(verb::get, "/events", all_events);
  routes.add(verb::get, "/videos/{video_hash}/events", video_events);
}

} // namespace vp::http
