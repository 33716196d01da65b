// How tasks end.

#include "actors/dispatcher.hpp"
#include "actors/error.hpp"
#include "actors/timeline.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace vp {

namespace {

/// Another try would only say the same about the source.
bool is_verdict(errc code) {
  switch (code) {
  case errc::unsupported_media:
  case errc::broken_media:
  case errc::not_copyable:
  case errc::too_large:
  case errc::incomplete:
  case errc::not_arrived:
  case errc::invalid_request:
  case errc::not_found:
    return true;
  default:
    return false;
  }
}

/// The encoder said nothing itself: it has ended, or never answered.
bool is_silence(const caf::error& problem) {
  return problem == caf::sec::request_timeout || problem == caf::sec::request_receiver_down;
}

caf::error too_many_losses() {
  return to_caf(errc::encoder_failed, "every encoder that tried it was lost");
}

caf::error unasked() {
  return to_caf(errc::internal, "the encoder's answer is not what it was asked for");
}

/// Whether this answer is what the task asked for: a fragment of each of its renditions that has media there, and
/// nothing else. Fragments become files, and who made them may have been taken over by a video.
bool fits(const segment_result& answer, const order& order, const order::part& task) {
  const auto& cell = order.cell(task.index);
  if (answer.video_hash != order.source().video_hash || answer.segment != cell.number)
    return false;
  return std::ranges::is_permutation(ids_of(order.plan(), task.renditions), answer.fragments, {}, {},
                                     &encoded_fragment::rendition)
         && std::ranges::all_of(answer.fragments, [&](const auto& x) { return x.segment == cell.number; });
}

/// Whether the init segments are those of its plan. That one's names were looked at when it was read.
bool fits(const media::analysis& answer) {
  return std::ranges::all_of(answer.inits, [&](const auto& init) {
    return std::ranges::any_of(answer.plan.renditions, [&](const auto& x) { return x.id == init.rendition; });
  });
}

} // namespace

/// Ends a task, unless it has ended before.
std::optional<dispatcher_state::assignment> dispatcher_state::take_task(encoder_id id, std::uint64_t task) {
  auto found = workers_.find(id);
  if (found == workers_.end() || !found->second.task || found->second.task->id != task)
    return std::nullopt;
  auto done = std::exchange(found->second.task, std::nullopt);
  note(id, found->second);
  return done;
}

void dispatcher_state::succeed(encoder_id id, std::uint64_t task, const media::analysis& answer) {
  auto done = take_task(id, task);
  if (!done)
    return;
  if (fits(answer)) {
    done->analysis->answer.deliver(answer);
    settle(done->video_hash);
  } else {
    fail_analysis(id, std::move(*done), unasked());
  }
  dispatch();
}

void dispatcher_state::succeed(encoder_id id, std::uint64_t task, const segment_result& answer) {
  auto done = take_task(id, task);
  if (!done)
    return;
  std::chrono::duration<double> took = self_->clock().now() - done->since;
  config_.metrics->frames_decoded.Increment(static_cast<double>(answer.decoded_frames));
  auto& who = workers_.at(id);
  auto found = orders_.find(done->video_hash);
  if (!done->unwanted && found != orders_.end()) {
    auto& x = found->second;
    if (fits(answer, x.order, done->part)) {
      config_.metrics->segments.Increment();
      config_.metrics->segments_by(who.where.node).Increment();
      ++who.segments;
      who.rate.add(self_->clock().now(), 1);
      config_.metrics->encode_time.Observe(took.count());
      x.order.encoded(done->part);
      self_->send(x.listener, result_atom_v, answer);
    } else {
      fail_segment(*done, id, unasked());
    }
  }
  settle(done->video_hash);
  dispatch();
}

void dispatcher_state::fail(encoder_id id, std::uint64_t task, const caf::error& problem) {
  if (is_silence(problem)) {
    if (auto found = workers_.find(id); found != workers_.end() && found->second.task && found->second.task->id == task)
      lose(id, problem);
    return;
  }
  if (from_caf(problem).code == errc::crashed) {
    crash(id, task, problem);
    return;
  }
  auto done = take_task(id, task);
  if (!done)
    return;
  auto& who = workers_.at(id);
  leave(id, who); // After an error the encoder opens everything anew.
  auto why = from_caf(problem);
  if (why.code == errc::overloaded) {
    who.resting = true;
    note(id, who);
    self_->delayed_send(self_, config_.rest, tick_atom_v, id);
  }
  if (why.code == errc::cancelled && done->interrupted && !done->unwanted) {
    orders_.at(done->video_hash).order.interrupted(done->part, id);
    settle(done->video_hash);
  } else if (why.code == errc::overloaded || (why.code == errc::cancelled && !done->unwanted)) {
    lose_task(std::move(*done), id); // Not the task's fault.
  } else if (done->reading != 0 && !done->unwanted) {
    // What was still on its way may not have been the source's.
    spdlog::debug("encoder {}: segment {} of {} is taken back: {}", id, done->segment, done->video_hash, why.text);
    orders_.at(done->video_hash).order.taken_back(done->part, id, done->reading);
    settle(done->video_hash);
  } else if (done->analysis) {
    fail_analysis(id, std::move(*done), problem);
  } else {
    if (!done->unwanted)
      fail_segment(*done, id, problem);
    settle(done->video_hash);
  }
  dispatch();
}

void dispatcher_state::fail_segment(const assignment& task, encoder_id id, const caf::error& problem) {
  count_failure(workers_.at(id));
  auto& x = orders_[task.video_hash];
  auto failures = x.order.failed(task.part, id);
  spdlog::warn("encoder {}: segment {} of {} failed ({} of {}): {}", id, task.segment, task.video_hash, failures,
               config_.retries + 1, from_caf(problem).text);
  if (failures > config_.retries) {
    x.order.give_up(task.part.index);
    self_->send(x.listener, fail_atom_v, task.video_hash, task.segment, problem);
  }
}

void dispatcher_state::count_failure(worker& who) {
  ++who.failures;
  config_.metrics->failures.Increment();
  config_.metrics->failures_by(who.where.node).Increment();
}

void dispatcher_state::fail_analysis(encoder_id id, assignment task, const caf::error& problem) {
  auto& what = *task.analysis;
  const auto& who = workers_.at(id);
  const auto code = from_caf(problem).code;
  // It may be that node, or its link, and not the source; where nobody else is left, it is the source.
  if (code == errc::timed_out)
    what.too_slow.insert(who.where.node);
  const auto is_final = is_verdict(code) || (code == errc::timed_out && may_do(who, what));
  if (task.unwanted || is_final || ++what.failures > config_.retries) {
    what.answer.deliver(problem);
  } else {
    count_failure(workers_.at(id));
    analyses_.push_front(std::move(what));
  }
  settle(task.video_hash);
}

dispatcher_state::worker dispatcher_state::remove(encoder_id id) {
  auto who = std::move(workers_.at(id));
  leave(id, who);
  idle_.erase(id);
  on_demand_.erase(id);
  workers_.erase(id);
  self_->demonitor(who.handle.address());
  config_.metrics->encoders.Set(static_cast<double>(workers_.size()));
  config_.metrics->slots(who.where.node).Decrement();
  return who;
}

void dispatcher_state::lose(encoder_id id, const caf::error& why) {
  auto who = remove(id);
  if (who.renewing)
    expect_fresh();
  auto orderly = why == caf::exit_reason::user_shutdown || who.renewing;
  spdlog::log(orderly ? spdlog::level::debug : spdlog::level::warn, "encoder {}/{} is lost: {}", who.where.node,
              who.where.slot, caf::to_string(why));
  if (who.task) {
    self_->send(who.handle, cancel_atom_v, who.task->video_hash); // It may only be slow.
    lose_task(std::move(*who.task), id);
  }
  dispatch();
}

/// One comes in place of an encoder that has just ended.
void dispatcher_state::expect_fresh() {
  fresh_expected_ = self_->clock().now() + config_.fresh_wait;
  self_->delayed_send(self_, config_.fresh_wait, tick_atom_v);
}

/// The encoder's process ended by what it did for this task. Once may be bad luck, or what an earlier task left there.
void dispatcher_state::crash(encoder_id id, std::uint64_t number, const caf::error& why) {
  auto found = workers_.find(id);
  if (found == workers_.end() || !found->second.task || found->second.task->id != number)
    return;
  count_failure(found->second);
  auto task = std::move(*remove(id).task);
  auto reason = from_caf(why).text;
  spdlog::warn("an encoder ended at {} of {}: {}",
               task.analysis ? "the analysis" : fmt::format("segment {}", task.segment), task.video_hash, reason);
  auto final =
      to_caf(errc::crashed, fmt::format("{} encoders ended at it, the last one because {}", config_.crashes, reason));
  expect_fresh();
  if (task.unwanted) {
    if (task.analysis)
      task.analysis->answer.deliver(to_caf(errc::cancelled, "cancelled"));
  } else if (task.analysis) {
    if (++task.analysis->crashes >= config_.crashes)
      task.analysis->answer.deliver(final);
    else
      analyses_.push_front(std::move(*task.analysis));
  } else {
    auto& x = orders_.at(task.video_hash);
    if (task.reading != 0) {
      x.order.taken_back(task.part, id, task.reading);
    } else if (x.order.crashed(task.part, id) >= config_.crashes) {
      x.order.give_up(task.part.index);
      self_->send(x.listener, fail_atom_v, task.video_hash, task.segment, final);
    }
  }
  settle(task.video_hash);
  dispatch();
}

/// A task whose encoder let go of it for no fault of the task: first in line again, a bounded number of times.
void dispatcher_state::lose_task(assignment task, encoder_id id) {
  config_.metrics->losses.Increment();
  if (task.analysis) {
    auto& what = *task.analysis;
    if (task.unwanted)
      what.answer.deliver(to_caf(errc::cancelled, "cancelled"));
    else if (++what.losses > config_.losses)
      what.answer.deliver(too_many_losses());
    else
      analyses_.push_front(std::move(what));
  } else if (!task.unwanted) {
    auto& x = orders_[task.video_hash];
    if (x.order.lost(task.part, id) > config_.losses) {
      x.order.give_up(task.part.index);
      self_->send(x.listener, fail_atom_v, task.video_hash, task.segment, too_many_losses());
    }
  }
  settle(task.video_hash);
}

} // namespace vp
