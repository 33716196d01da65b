#include "actors/encoder.hpp"

#include "actors/error.hpp"
#include "actors/failpoint.hpp"
#include "actors/time_to_read.hpp"
#include "media/analyze.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace vp {

// -- the codec ------------------------------------------------------------------------------------

namespace {

/// Threads that this one starts inherit it.
void be_nice([[maybe_unused]] int niceness) {
#ifdef __linux__
  if (niceness != 0 && ::setpriority(PRIO_PROCESS, 0, niceness) != 0) // on Linux, of this thread
    spdlog::warn("an encoder's thread keeps its priority");
#endif
}

/// Runs `work`; what it throws becomes an error.
template <class R, class Work>
caf::result<R> guarded(Work work) {
  try {
    result<R> done = work();
    if (done)
      return std::move(*done);
    return to_caf(done.error());
  } catch (const std::bad_alloc&) {
    return to_caf(errc::encoder_failed, "not enough memory");
  } catch (const std::exception& problem) {
    return to_caf(errc::internal, problem.what());
  }
}

void close(codec_state& state) {
  state.encoder.reset();
  state.source.reset();
  state.where = {};
}

/// The decoder stays where the last segment ended, so the next one of the same plan costs no seek.
result<void> open(codec_state& state, const segment_task& task) {
  if (state.encoder && state.where == task.source && state.plan == task.plan)
    return {};
  close(state);
  auto source = state.config.open_source(task.source);
  if (!source)
    return tl::unexpected(std::move(source.error()));
  state.source = std::move(*source);
  state.plan = task.plan;
  auto encoder = media::segment_encoder::open(*state.source, state.plan, state.config.decodes_ahead);
  if (!encoder)
    return tl::unexpected(std::move(encoder.error()));
  state.encoder = std::move(*encoder);
  state.where = task.source;
  return {};
}

result<segment_result> encode(codec_state& state, const segment_task& task, const media::interrupt& stop) {
  if (auto opened = open(state, task); !opened)
    return tl::unexpected(std::move(opened.error()));
  failpoint(fmt::format("encode/{}/{}", task.source.video_hash, task.cell.number).c_str());
  auto before = state.encoder->decoded_frames();
  auto fragments = state.encoder->encode(task.cell, task.renditions, stop);
  if (!fragments)
    return tl::unexpected(std::move(fragments.error()));
  segment_result answer{task.source.video_hash, task.cell.number, {}, state.encoder->decoded_frames() - before};
  for (auto& x : *fragments)
    answer.fragments.push_back(
        {std::move(x.rendition), x.segment, x.start, x.duration, x.frames, bytes{std::move(x.bytes)}});
  return answer;
}

} // namespace

codec_actor::behavior_type codec(codec_actor::stateful_pointer<codec_state> self, encoder_config config) {
  be_nice(config.niceness);
  self->state.config = std::move(config);
  return {
      [self](analyze_atom, const analyze_task& task, const media::interrupt& stop) {
        close(self->state); // Its memory is needed for this.
        return guarded<media::analysis>([&]() -> result<media::analysis> {
          auto source = self->state.config.open_source(task.source);
          if (!source)
            return tl::unexpected(std::move(source.error()));
          return media::analyze(**source, task.settings, stop, task.source.state);
        });
      },
      [self](encode_atom, const segment_task& task, const media::interrupt& stop) {
        auto answer = guarded<segment_result>([&] { return encode(self->state, task, stop); });
        if (answer.flag != caf::rt_value)
          close(self->state); // The next try begins afresh.
        return answer;
      },
      [self](close_atom) { close(self->state); },
  };
}

// -- the front ------------------------------------------------------------------------------------

namespace {

using encoder_pointer = encoder_impl::stateful_pointer<encoder_state>;

template <class R, class Atom, class Task>
caf::result<R> run_task(encoder_pointer self, Atom what, Task& task, caf::timespan limit) {
  auto& state = self->state;
  if (state.busy)
    return to_caf(errc::overloaded, "the encoder has a task");
  state.busy = true;
  state.video_hash = task.source.video_hash;
  state.stop = media::interrupt{limit};
  auto number = ++state.task;
  auto answer = state.answer = self->make_response_promise();
  self->request(state.codec, limit + state.config.grace, what, std::move(task), state.stop)
      .then(
          [self, answer, number](const R& done) mutable {
            self->state.busy = false;
            self->delayed_send(self, self->state.config.idle, tick_atom_v, number);
            answer.deliver(done);
          },
          [self, answer, number](caf::error& problem) mutable {
            self->state.busy = false;
            self->delayed_send(self, self->state.config.idle, tick_atom_v, number);
            auto hangs = problem == caf::sec::request_timeout;
            answer.deliver(hangs ? to_caf(errc::timed_out, "the encoder does not react any more") : problem);
            if (hangs)
              self->quit(caf::exit_reason::unhandled_exception);
          });
  return answer;
}

} // namespace

encoder_state::~encoder_state() {
  stop.raise();
  caf::anon_send_exit(codec, caf::exit_reason::user_shutdown);
}

encoder_impl::behavior_type encoder(encoder_pointer self, encoder_config config, codec_actor codec) {
  self->state.config = std::move(config);
  self->state.codec = std::move(codec);
  self->monitor(self->state.codec);
  self->set_down_handler([self](caf::down_msg& down) {
    if (self->state.busy)
      self->state.answer.deliver(caf::make_error(caf::sec::request_receiver_down));
    self->quit(std::move(down.reason));
  });
  return {
      [self](analyze_atom what, analyze_task& task) {
        const auto limit = self->state.config.analyze_timeout + time_to_read(task.source);
        return run_task<media::analysis>(self, what, task, limit);
      },
      [self](encode_atom what, segment_task& task) {
        return run_task<segment_result>(self, what, task, self->state.config.segment_timeout);
      },
      [self](cancel_atom, const std::string& video_hash) {
        if (self->state.busy && self->state.video_hash == video_hash)
          self->state.stop.raise();
      },
      [self](renew_atom) { self->quit(caf::exit_reason::user_shutdown); },
      [self](tick_atom, std::uint64_t task) {
        if (!self->state.busy && self->state.task == task)
          self->send(self->state.codec, close_atom_v);
      },
  };
}

encoder_actor spawn_encoder(caf::actor_system& system, const encoder_config& config) {
  return system.spawn(encoder, config, system.spawn<caf::detached>(codec, config));
}

} // namespace vp
