#include "actors/worker_slot.hpp"

#include "actors/error.hpp"
#include "actors/time_to_read.hpp"
#include "actors/timeline.hpp"

#include <caf/binary_deserializer.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace vp {

namespace {

/// A worker's words go into logs, events and the database: no more than a sentence, and in one line.
std::string sentence(std::string text) {
  constexpr std::size_t most = 1000;
  if (text.size() > most)
    text.resize(most);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
  return text;
}

/// The same error; of one that is not ours only what it is.
caf::error without_speech(const caf::error& why) {
  if (!is_ours(why))
    return {why.code(), why.category()};
  auto told = from_caf(why);
  return to_caf(told.code, sentence(std::move(told.text)));
}

/// What of its source it takes to make this. What is early is a single rendition.
media::byte_range needed_for(const segment_task& task) {
  const auto made = std::ranges::find(task.plan.renditions, task.renditions.front(), &media::rendition::id);
  return made == task.plan.renditions.end() ? media::byte_range{} : bytes_of(task.cell, made->kind, task.source.size);
}

/// What the bytes say is the answer.
template <class R>
void deliver(caf::actor_system& system, const std::vector<char>& from, caf::response_promise& answer) {
  caf::error problem;
  try {
    R result;
    caf::binary_deserializer source{system, from};
    problem = source(result);
    if (!problem) {
      answer.deliver(std::move(result));
      return;
    }
  } catch (const std::exception& thrown) {
    problem = to_caf(errc::internal, thrown.what());
  }
  answer.deliver(to_caf(errc::internal, "the worker's answer can't be read: " + caf::to_string(problem)));
}

} // namespace

worker_slot_impl::behavior_type worker_slot_state::make_behavior(worker_slot_config config, worker_actor worker) {
  config_ = std::move(config);
  worker_ = std::move(worker);
  self_->monitor(worker_);
  self_->set_down_handler([this](caf::down_msg& down) { worker_down(std::move(down.reason)); });
  probe();
  return {
      [this](read_atom, std::uint64_t id, std::uint64_t offset, std::uint32_t length) {
        return read(id, offset, length);
      },
      [this](result_atom, std::uint64_t id, const bytes& piece) { return append(id, piece); },
      [this](end_atom, std::uint64_t id) { finish(id); },
      [this](fail_atom, std::uint64_t id, const caf::error& why) { fail(id, why); },
      [this](drain_atom) -> caf::result<void> {
        auto answer = self_->make_response_promise();
        self_->request(config_.dispatcher, config_.drain_timeout, drain_atom_v, encoder_actor{self_})
            .then([answer]() mutable { answer.deliver(caf::unit); },
                  [answer](caf::error& problem) mutable { answer.deliver(std::move(problem)); });
        return answer;
      },
      [this](analyze_atom what, analyze_task& wanted) { return begin<media::analysis>(what, wanted); },
      [this](encode_atom what, segment_task& wanted) { return begin<segment_result>(what, wanted); },
      [this](cancel_atom, const std::string& video_hash) {
        if (!task_ || task_->source.video_hash != video_hash)
          return;
        task_->is_cancelled = true;
        if (task_->is_held)
          fail(task_->id, to_caf(errc::cancelled, "cancelled"));
        else
          self_->send(worker_, cancel_atom_v, task_->id);
      },
      [this](renew_atom) { self_->send(worker_, renew_atom_v); },
      [this](verdict_atom, const std::string& how, bool counts) {
        if (!alone_) // else its work was done
          judge(how, counts);
      },
      [this](tick_atom) { judge({}, false); },
      [this](tick_atom, std::uint64_t id) { expire(id); },
  };
}

template <class R, class Atom, class Task>
caf::result<R> worker_slot_state::begin(Atom what, Task& wanted) {
  // A worker has this handle too, and must not name files to read.
  if (self_->current_sender() != caf::actor_cast<caf::strong_actor_ptr>(config_.dispatcher))
    return to_caf(errc::invalid_request, "only the dispatcher gives tasks");
  if (task_)
    return to_caf(errc::overloaded, "the worker has a task");
  auto answer = self_->make_response_promise();
  task_ = {++last_id_, wanted.source, std::is_same_v<R, media::analysis>, answer, {}, {}};
  if constexpr (std::is_same_v<R, segment_result>)
    if (wanted.source.reading != 0)
      task_->needed = needed_for(wanted);
  // What it keeps of bytes that are on their way may not be true of the source, nor does it wait for whom it waited.
  if (wanted.source.reading != 0)
    wanted.source.version += task_->id << 32U;
  wanted.source.path.clear(); // nobody's business there
  const auto limit =
      task_->is_analysis ? config_.task_limits.analyze + time_to_read(wanted.source) : config_.task_limits.segment;
  self_->delayed_send(self_, limit, tick_atom_v, task_->id);
  self_->send(worker_, what, task_->id, std::move(wanted));
  return answer;
}

caf::result<bytes> worker_slot_state::read(std::uint64_t id, std::uint64_t offset, std::uint32_t length) {
  if (!task_ || task_->id != id)
    return to_caf(errc::stale, "this task has ended");
  auto answer = self_->make_response_promise<bytes>();
  const auto& source = task_->source;
  const auto begin = std::min(offset, source.size);
  const media::byte_range wanted{begin, std::min(source.size, begin + length)};
  const auto& present = task_->present;
  if (!source.arriving() || (present.begin <= wanted.begin && wanted.end <= present.end))
    read_file(source.path, wanted, answer);
  else
    await(id, wanted, answer);
  return answer;
}

/// For bytes of an upload that are not there yet.
caf::timespan worker_slot_state::patience() {
  if (!task_->is_analysis)
    return config_.read_timeout;
  const auto now = self_->clock().now();
  if (!task_->waits_until)
    task_->waits_until = now + config_.analysis_patience;
  return std::max(caf::timespan::zero(), caf::timespan{*task_->waits_until - now});
}

template <class Then, class Failed>
void worker_slot_state::ask_session(media::byte_range wanted, bool acknowledged, caf::timespan limit, Then then,
                                    Failed failed) {
  const auto deadline = self_->clock().now() + limit;
  self_->request(config_.sessions, limit, session_atom_v, task_->source.video_hash)
      .then(
          [=, this](const upload_session_actor& session) {
            const auto left = std::max(caf::timespan{1}, caf::timespan{deadline - self_->clock().now()});
            self_->request(session, left, await_atom_v, wanted.begin, wanted.size(), acknowledged).then(then, failed);
          },
          failed);
}

/// What is not there yet would read as zeros. A plan must be of what stays, and so must all that a segment is not known
/// to be made of.
void worker_slot_state::await(std::uint64_t id, media::byte_range wanted, caf::typed_response_promise<bytes> answer) {
  const auto early =
      task_->source.reading != 0 && task_->needed.begin <= wanted.begin && wanted.end <= task_->needed.end;
  ask_session(
      wanted, !early, patience(),
      [=, this](const media::byte_range& present, std::uint32_t reading) mutable {
        if (!task_ || task_->id != id)
          answer.deliver(to_caf(errc::stale, "this task has ended"));
        else if (early && reading != task_->source.reading) // not `stale`, after which a worker asks again
          answer.deliver(to_caf(errc::not_arrived, "what was there of the source may come otherwise"));
        else {
          if (!early)
            task_->present = present;
          read_file(task_->source.path, wanted, answer);
        }
      },
      [answer, is_analysis = task_->is_analysis](caf::error& problem) mutable {
        if (is_analysis && problem == caf::sec::request_timeout)
          answer.deliver(to_caf(errc::not_arrived, "what it takes to plan this video has not arrived yet"));
        else
          answer.deliver(std::move(problem));
      });
}

/// Not delegated: who gets an answer knows who sent it, and the reader opens any file.
void worker_slot_state::read_file(const std::string& path, media::byte_range wanted,
                                  caf::typed_response_promise<bytes> answer) {
  self_
      ->request(config_.reader, config_.read_timeout, read_atom_v, path, wanted.begin,
                static_cast<std::uint32_t>(wanted.size()))
      .then([answer](bytes& block) mutable { answer.deliver(std::move(block)); },
            [answer](caf::error& problem) mutable { answer.deliver(std::move(problem)); });
}

caf::result<void> worker_slot_state::append(std::uint64_t id, const bytes& piece) {
  if (!task_ || task_->id != id)
    return to_caf(errc::stale, "this task has ended");
  if (task_->result.size() + piece.size() > config_.max_result) {
    fail(id, to_caf(errc::internal, "the worker's answer has no end"));
    return to_caf(errc::stale, "this task has ended");
  }
  task_->result.insert(task_->result.end(), piece.view().begin(), piece.view().end());
  return caf::unit;
}

std::optional<worker_slot_state::task> worker_slot_state::take(std::uint64_t id) {
  if (!task_ || task_->id != id)
    return std::nullopt;
  if (alone_)
    self_->quit(caf::exit_reason::remote_link_unreachable);
  return std::exchange(task_, std::nullopt);
}

void worker_slot_state::finish(std::uint64_t id) {
  if (!task_ || task_->id != id)
    return;
  if (task_->source.reading == 0)
    hand_over(id);
  else if (task_->is_cancelled) // which has crossed the result on its way
    fail(id, to_caf(errc::cancelled, "cancelled"));
  else
    hold(id);
}

/// Until all that the result was made of is acknowledged.
void worker_slot_state::hold(std::uint64_t id) {
  task_->is_held = true;
  ask_session(
      task_->needed, true, config_.acknowledgement,
      [=, this](const media::byte_range&, std::uint32_t reading) {
        if (task_ && task_->id == id && reading != task_->source.reading)
          fail(id, to_caf(errc::stale, "what it was made of has not become the source"));
        else
          hand_over(id);
      },
      [=, this](const caf::error&) { fail(id, to_caf(errc::not_arrived, "what it was made of is not acknowledged")); });
}

void worker_slot_state::hand_over(std::uint64_t id) {
  auto done = take(id);
  if (!done)
    return;
  if (done->is_analysis)
    deliver<media::analysis>(self_->system(), done->result, done->answer);
  else
    deliver<segment_result>(self_->system(), done->result, done->answer);
}

void worker_slot_state::fail(std::uint64_t id, const caf::error& why) {
  if (auto done = take(id))
    done->answer.deliver(without_speech(why));
}

void worker_slot_state::expire(std::uint64_t id) {
  if (!task_ || task_->id != id)
    return;
  spdlog::warn("a worker does not come to an end with {} and must begin anew", task_->source.video_hash);
  self_->send(worker_, renew_atom_v);
  judge({}, false);
}

/// CAF tells nobody of the end of an actor whose link was gone before its handle was read here.
void worker_slot_state::probe() {
  self_->request(worker_, config_.probe_timeout, status_atom_v)
      .then([] {}, [this](caf::error& problem) { worker_down(std::move(problem)); });
}

void worker_slot_state::worker_down(caf::error why) {
  if (!task_)
    self_->quit(std::move(why));
  else if (task_->is_held)
    alone_ = true;
  else
    self_->delayed_send(self_, config_.verdict_wait, tick_atom_v);
}

/// How it all ended.
void worker_slot_state::judge(const std::string& how, bool counts) {
  if (auto last = std::exchange(task_, std::nullopt))
    last->answer.deliver(counts ? to_caf(errc::crashed, sentence(how))
                                : caf::make_error(caf::sec::request_receiver_down));
  self_->quit(caf::exit_reason::remote_link_unreachable);
}

worker_slot_impl::behavior_type worker_slot(worker_slot_state::pointer self, worker_slot_config config,
                                            worker_actor worker) {
  return self->state.make_behavior(std::move(config), std::move(worker));
}

} // namespace vp
