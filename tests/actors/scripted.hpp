#pragma once

#include "actors/error.hpp"
#include "actors/interfaces.hpp"
#include "actors/timeline.hpp"

#include <caf/all.hpp>
#include <fmt/format.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// Stand-ins for what takes real time or real hardware, and faults on demand.
namespace vp::test {

inline std::string hash_of(char digit) {
  return std::string(64, digit);
}

// -- a video --------------------------------------------------------------------------------------

inline media::plan make_plan(std::vector<std::string> names = {"720p", "360p"}, bool audio = true) {
  media::plan plan;
  plan.source.format = "mov";
  plan.source.mime_type = "video/mp4";
  plan.timescale = 24000;
  plan.video_end = 24000;
  plan.frame_rate = {24, 1};
  plan.preset = "veryfast";
  plan.crf = 21;
  auto height = 720;
  for (auto& name : names) {
    plan.renditions.push_back(
        {name + "-0000cafe", name, media::media_kind::video, "libx264", 1280, height, 1'000'000, "avc1.64001f"});
    height /= 2;
  }
  if (audio)
    plan.renditions.push_back({"audio-0000cafe", "audio", media::media_kind::audio, "aac", 0, 0, 128'000, "mp4a.40.2"});
  return plan;
}

/// The grid of 2 s, 2 s, then 4 s.
inline std::vector<media::segment> make_segments(std::uint32_t count) {
  std::vector<media::segment> segments;
  std::int64_t second = 0;
  auto audio_frame = [](std::int64_t at) { return (at * media::audio_sample_rate + 1023) / media::audio_frame_size; };
  for (std::uint32_t i = 0; i < count; ++i) {
    auto end = second + (i < 2 ? 2 : 4);
    segments.push_back({i,
                        second * 24000,
                        end * 24000,
                        static_cast<std::uint32_t>((end - second) * 24),
                        audio_frame(second),
                        audio_frame(end),
                        {},
                        {}});
    second = end;
  }
  return segments;
}

inline media::analysis make_analysis(std::uint32_t count) {
  media::analysis x{make_plan(), make_segments(count), {}};
  for (auto& rendition : x.plan.renditions)
    x.inits.push_back({rendition.id, {'i', 'n', 'i', 't'}});
  return x;
}

inline job_order make_order(const std::string& hash, std::uint32_t count) {
  job_order x{{hash, "/nowhere/" + hash, 1000}, make_plan(), {}, {}};
  for (auto& cell : make_segments(count))
    x.cells.push_back({cell, renditions_in(x.plan, cell)});
  return x;
}

/// The same bytes for the same segment, whoever makes them.
inline segment_result make_result(const segment_task& task) {
  segment_result x{task.source.video_hash, task.cell.number, {}, task.cell.frames};
  for (auto& id : task.renditions) {
    auto text = id == media::poster_id ? std::string{"jpg"}
                                       : fmt::format("{} {} of {}", id, task.cell.number, task.source.video_hash);
    x.fragments.push_back({id, task.cell.number, task.cell.start, task.cell.end - task.cell.start, task.cell.frames,
                           bytes{{text.begin(), text.end()}}});
  }
  return x;
}

// -- an encoder -----------------------------------------------------------------------------------

/// What an encoder did, and what it is to do. Shared with the test, and among encoders where the test wants that.
struct encoder_script {
  /// Simulated time for one task.
  caf::timespan takes = std::chrono::seconds(1);
  /// Whether tasks are answered at all.
  bool silent = false;
  /// Asked before each task; an error is the answer.
  std::function<std::optional<error>(const std::string& hash, std::uint32_t segment)> fault;
  /// What an analysis finds.
  std::function<result<media::analysis>(const analyze_task&)> analysis = [](const analyze_task&) {
    return make_analysis(4);
  };

  std::vector<std::pair<std::string, std::uint32_t>> segments; ///< as they were begun
  std::vector<std::uint32_t> readings;                         ///< of their sources
  std::uint32_t analyses = 0;
  std::uint32_t seeks = 0;    ///< segments that did not begin where the one before ended
  std::uint32_t cancels = 0;  ///< that ended something
  std::uint32_t overlaps = 0; ///< tasks given while there was one
};

using scripted_encoder_actor = encoder_actor::extend<caf::reacts_to<tick_atom, std::uint64_t>>;

struct scripted_encoder_state {
  std::shared_ptr<encoder_script> script;
  std::string video_hash; ///< where the decoder stands
  std::uint32_t next = 0;
  std::uint64_t task = 0;
  bool busy = false;
  std::string busy_with;
  std::function<void()> done;
  std::function<void(caf::error)> failed;
};

inline scripted_encoder_actor::behavior_type
scripted_encoder(scripted_encoder_actor::stateful_pointer<scripted_encoder_state> self,
                 std::shared_ptr<encoder_script> script) {
  self->state.script = std::move(script);
  auto begin = [self](const std::string& hash, std::function<void()> done, std::function<void(caf::error)> failed) {
    auto& x = self->state;
    x.busy = true;
    x.busy_with = hash;
    x.done = std::move(done);
    x.failed = std::move(failed);
    ++x.task;
    if (!x.script->silent)
      self->delayed_send(self, x.script->takes, tick_atom_v, x.task);
  };
  return {
      [self, begin](analyze_atom, const analyze_task& task) -> caf::result<media::analysis> {
        auto& x = self->state;
        if (x.busy) {
          ++x.script->overlaps;
          return to_caf(errc::overloaded, "busy");
        }
        ++x.script->analyses;
        x.video_hash.clear();
        auto answer = self->make_response_promise();
        begin(
            task.source.video_hash,
            [self, answer, task]() mutable {
              if (auto found = self->state.script->analysis(task))
                answer.deliver(*found);
              else
                answer.deliver(to_caf(found.error()));
            },
            [answer](caf::error why) mutable { answer.deliver(std::move(why)); });
        return answer;
      },
      [self, begin](encode_atom, const segment_task& task) -> caf::result<segment_result> {
        auto& x = self->state;
        if (x.busy) {
          ++x.script->overlaps;
          return to_caf(errc::overloaded, "busy");
        }
        auto number = task.cell.number;
        x.script->segments.emplace_back(task.source.video_hash, number);
        x.script->readings.push_back(task.source.reading);
        x.script->seeks += x.video_hash == task.source.video_hash && x.next == number ? 0 : 1;
        x.video_hash = task.source.video_hash;
        x.next = number + 1;
        auto answer = self->make_response_promise();
        begin(
            task.source.video_hash,
            [self, answer, task]() mutable {
              auto& orders = *self->state.script;
              auto why = orders.fault ? orders.fault(task.source.video_hash, task.cell.number) : std::nullopt;
              if (why) {
                self->state.video_hash.clear();
                answer.deliver(to_caf(*why));
              } else {
                answer.deliver(make_result(task));
              }
            },
            [answer](caf::error why) mutable { answer.deliver(std::move(why)); });
        return answer;
      },
      [self](cancel_atom, const std::string& hash) {
        auto& x = self->state;
        if (!x.busy || x.busy_with != hash || x.script->silent)
          return;
        ++x.script->cancels;
        x.busy = false;
        x.video_hash.clear();
        x.failed(to_caf(errc::cancelled, "cancelled"));
      },
      [self](renew_atom) { self->quit(caf::exit_reason::user_shutdown); },
      [self](tick_atom, std::uint64_t task) {
        auto& x = self->state;
        if (!x.busy || x.task != task)
          return;
        x.busy = false;
        x.done();
      },
  };
}

// -- the one who waits for segments ---------------------------------------------------------------

struct listener_log {
  std::vector<segment_result> results;
  std::vector<std::pair<std::uint32_t, error>> failures;
  std::vector<cell_part> running;
  bool stores = true; ///< tells the dispatcher at once that each segment is stored

  std::vector<std::uint32_t> numbers() const {
    std::vector<std::uint32_t> all;
    for (auto& x : results)
      all.push_back(x.segment);
    return all;
  }
};

inline order_listener::behavior_type scripted_listener(order_listener::pointer self, std::shared_ptr<listener_log> log,
                                                       dispatcher_actor dispatcher) {
  return {
      [log](begin_atom, const std::vector<cell_part>& running) { log->running = running; },
      [self, log, dispatcher](result_atom, const segment_result& x) {
        log->results.push_back(x);
        if (log->stores)
          self->send(dispatcher, store_atom_v, x.video_hash, x.segment);
      },
      [log](fail_atom, const std::string&, std::uint32_t segment, const caf::error& why) {
        log->failures.emplace_back(segment, from_caf(why));
      },
  };
}

// -- an upload's session --------------------------------------------------------------------------

struct session_log {
  std::vector<media::byte_range> wanted; ///< the last time that somebody said so
  bool hurried = false;
  arrival there; ///< when somebody begins to watch
};

inline upload_session_actor::behavior_type scripted_session(upload_session_actor::pointer self,
                                                            std::shared_ptr<session_log> log) {
  return {
      [](begin_atom, std::uint32_t, std::uint64_t) -> caf::result<chunk_ticket> { return chunk_ticket{}; },
      [](write_atom, std::uint64_t, const bytes&) -> caf::result<void> { return caf::unit; },
      [](end_atom, std::uint64_t) -> caf::result<chunk_receipt> { return chunk_receipt{}; },
      [](abort_atom, std::uint64_t) {},
      [](missing_atom) { return std::vector<std::uint32_t>{}; },
      [](finalize_atom) -> caf::result<video> { return video{}; },
      [](await_atom, std::uint64_t, std::uint64_t, bool) -> caf::result<media::byte_range, std::uint32_t> {
        return {media::byte_range{}, 1U};
      },
      [self, log](watch_atom, const arrival_listener& listener) { self->send(listener, arrive_atom_v, log->there); },
      [log](want_atom, const std::vector<media::byte_range>& ranges, bool hurried) {
        log->wanted = ranges;
        log->hurried = hurried;
      },
  };
}

// -- faults on the way to an actor ----------------------------------------------------------------

/// What happens to a message on its way.
struct fate {
  enum class kind : std::uint8_t { pass, refuse, swallow, lose_answer };
  kind what = kind::pass;
  error why;
};

using interference = std::function<fate(const caf::message&)>;

/// Whether a message begins with this atom.
template <class Atom>
bool begins_with(const caf::message& what, const Atom&) {
  return what.size() > 0 && what.match_element<Atom>(0);
}

/// Stands before `target` and passes messages on, or not, as the test says. `as_one`: they end together.
inline caf::behavior tap(caf::event_based_actor* self, caf::actor target, std::shared_ptr<interference> policy,
                         bool as_one = false) {
  if (as_one)
    self->link_to(target);
  self->set_default_handler(
      [self, target, policy](caf::scheduled_actor*, caf::message_view& view) -> caf::result<caf::message> {
        auto what = view.move_content_to_message();
        auto decided = *policy ? (*policy)(what) : fate{};
        if (decided.what == fate::kind::refuse)
          return to_caf(decided.why);
        if (decided.what == fate::kind::lose_answer)
          caf::anon_send(target, what);
        if (decided.what != fate::kind::pass) {
          // A promise that is let go of answers nothing; only the time-out of whoever asked does.
          auto lost = self->make_response_promise();
          return caf::delegated<caf::message>{};
        }
        self->delegate(target, std::move(what));
        return caf::delegated<caf::message>{};
      });
  return {[](caf::ok_atom) {}};
}

} // namespace vp::test
