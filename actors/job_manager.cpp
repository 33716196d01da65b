#include "actors/job_manager.hpp"

#include "actors/error.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vp {

namespace {

constexpr auto when_whole = caf::actor_clock::time_point::max();

const char* to_string(job_end end) {
  switch (end) {
  case job_end::completed:
    return "completed";
  case job_end::failed:
    return "failed";
  case job_end::cancelled:
    return "cancelled";
  case job_end::busy:
    return "busy";
  case job_end::put_back:
    return "put_back";
  case job_end::not_yet:
    return "not_yet";
  }
  return "unknown";
}

} // namespace

job_manager_state::~job_manager_state() {
  for (auto& [hash, x] : running_)
    caf::anon_send_exit(x.actor, caf::exit_reason::user_shutdown);
}

job_manager_impl::behavior_type job_manager_state::make_behavior(job_manager_config config, job_queue_actor queue,
                                                                 job_starter start) {
  config_ = std::move(config);
  queue_ = std::move(queue);
  start_ = std::move(start);
  self_->set_down_handler([this](caf::down_msg& down) { handle_down(down.source); });
  self_->send(queue_, subscribe_atom_v, job_consumer{self_}, config_.concurrency);
  return {
      [this](deliver_atom, const job& what) { this->start(what); },
      [this](preview_atom, const std::string& video_hash, const upload_session_actor& upload) {
        preview(video_hash, upload);
      },
      [this](wish_atom, const fragment_wish& wish) -> caf::result<std::uint64_t> {
        auto found = running_.find(wish.video_hash);
        if (found == running_.end())
          return to_caf(errc::conflict, "nobody here is at work on this video");
        return self_->delegate(found->second.actor, wish_atom_v, wish);
      },
      [this](await_atom, const std::string& video_hash, std::uint64_t wish) -> caf::result<void> {
        auto found = running_.find(video_hash);
        if (found == running_.end())
          return caf::unit; // it has ended, and the disk tells how
        return self_->delegate(found->second.actor, await_atom_v, video_hash, wish);
      },
      [this](abort_atom, const std::string& video_hash, std::uint64_t wish) {
        if (auto found = running_.find(video_hash); found != running_.end())
          self_->send(found->second.actor, abort_atom_v, video_hash, wish);
      },
      [this](finish_atom, const job_outcome& outcome) { finish(outcome); },
      [this](cancel_atom, const std::string& video_hash) { return cancel(video_hash); },
      [this](drain_atom) { return drain(); },
      [this](tick_atom) { drop_all(); },
  };
}

void job_manager_state::later(std::uint64_t id, caf::timespan wait, const std::string& why) {
  self_->send(queue_, later_atom_v, id, wait, why);
}

void job_manager_state::start(const job& what) {
  if (draining_) {
    later(what.id, caf::timespan::zero(), "the server stops");
    return;
  }
  no_preview_before_.erase(what.video_hash);
  auto found = running_.find(what.video_hash);
  if (found == running_.end())
    run(what.video_hash, what.id, {});
  else if (found->second.id == 0)
    found->second.id = what.id; // it has begun as an upload's, and sees by itself that that is whole
  else if (found->second.id != what.id)
    // The same delivery twice has one answer, which comes when its job ends.
    later(what.id, config_.busy_wait, "a job for this video is running");
}

/// Said again with every chunk.
void job_manager_state::preview(const std::string& video_hash, const upload_session_actor& upload) {
  if (auto pause = no_preview_before_.find(video_hash); pause != no_preview_before_.end()) {
    if (self_->clock().now() < pause->second)
      return;
    no_preview_before_.erase(pause);
  }
  auto previews = std::count_if(running_.begin(), running_.end(), [](const auto& x) { return x.second.id == 0; });
  if (!draining_ && !running_.contains(video_hash) && previews < config_.previews)
    run(video_hash, 0, upload);
}

void job_manager_state::pause_previews(const std::string& video_hash, caf::actor_clock::time_point until) {
  constexpr std::size_t remembered = 10'000;
  if (no_preview_before_.size() >= remembered)
    std::erase_if(no_preview_before_, [now = self_->clock().now()](const auto& one) { return one.second <= now; });
  if (no_preview_before_.size() < remembered)
    no_preview_before_[video_hash] = until;
}

void job_manager_state::run(const std::string& video_hash, std::uint64_t id, const upload_session_actor& upload) {
  auto actor = start_(video_hash, upload, finish_listener{self_});
  self_->monitor(actor);
  running_[video_hash] = {id, actor};
  config_.metrics->jobs_running.Set(static_cast<double>(running_.size()));
}

job_manager_state::running_job job_manager_state::remove(running_jobs::iterator which) {
  auto job = std::move(which->second);
  running_.erase(which);
  config_.metrics->jobs_running.Set(static_cast<double>(running_.size()));
  self_->demonitor(job.actor.address());
  if (draining_ && running_.empty()) {
    for (auto& drainer : drainers_)
      drainer.deliver(caf::unit);
    drainers_.clear();
  }
  return job;
}

void job_manager_state::finish(const job_outcome& outcome) {
  auto found = running_.find(outcome.video_hash);
  if (found == running_.end() || self_->current_sender() != found->second.actor)
    return; // Said twice.
  auto id = found->second.id;
  crashes_.erase(outcome.video_hash);
  config_.metrics->jobs(to_string(outcome.end)).Increment();
  spdlog::log(outcome.end == job_end::busy ? spdlog::level::debug : spdlog::level::info, "job of {}: {} {}",
              outcome.video_hash, to_string(outcome.end), outcome.reason);
  if (id != 0)
    answer(id, outcome);
  else if (outcome.end == job_end::not_yet)
    pause_previews(outcome.video_hash, when_whole);
  else if (outcome.end == job_end::busy)
    pause_previews(outcome.video_hash, self_->clock().now() + config_.busy_wait);
  remove(found);
}

void job_manager_state::answer(std::uint64_t id, const job_outcome& outcome) {
  switch (outcome.end) {
  case job_end::busy:
    later(id, config_.busy_wait, outcome.reason);
    break;
  case job_end::put_back:
    later(id, draining_ ? caf::timespan::zero() : config_.put_back_wait, outcome.reason);
    break;
  case job_end::not_yet: // it is whole by now
    later(id, caf::timespan::zero(), outcome.reason);
    break;
  case job_end::failed:
    self_->send(queue_, dead_atom_v, id, outcome.reason);
    break;
  case job_end::completed:
  case job_end::cancelled:
    self_->send(queue_, ack_atom_v, id);
    break;
  }
}

void job_manager_state::handle_down(const caf::actor_addr& whom) {
  auto found =
      std::find_if(running_.begin(), running_.end(), [&](const auto& x) { return x.second.actor.address() == whom; });
  if (found == running_.end())
    return;
  auto hash = found->first;
  auto id = found->second.id;
  config_.metrics->jobs("crashed").Increment();
  spdlog::error("job of {} ended without an outcome", hash);
  if (id == 0) {
    pause_previews(hash, when_whole); // the next one would end so too
  } else if (found->second.cancelled) {
    self_->send(queue_, ack_atom_v, id);
  } else {
    auto wait = config_.crash_wait;
    for (std::uint32_t i = crashes_[hash]++; i > 0 && wait < config_.longest_crash_wait; --i)
      wait *= 2;
    later(id, draining_ ? caf::timespan::zero() : std::min(wait, config_.longest_crash_wait), "the job broke off");
  }
  remove(found);
}

caf::result<void> job_manager_state::cancel(const std::string& video_hash) {
  no_preview_before_.erase(video_hash);
  auto found = running_.find(video_hash);
  if (found == running_.end())
    return caf::unit;
  found->second.cancelled = true;
  auto answer = self_->make_response_promise();
  auto actor = found->second.actor;
  self_->request(actor, config_.end_timeout, cancel_atom_v, false)
      .then([answer]() mutable { answer.deliver(caf::unit); },
            [this, answer, actor](const caf::error&) mutable {
              self_->send_exit(actor, caf::exit_reason::kill);
              answer.deliver(caf::unit);
            });
  return answer;
}

caf::result<void> job_manager_state::drain() {
  if (!draining_) {
    draining_ = true;
    self_->send(queue_, drain_atom_v, job_consumer{self_});
    self_->delayed_send(self_, config_.end_timeout, tick_atom_v);
    for (auto& [hash, x] : running_)
      self_->request(x.actor, config_.end_timeout, cancel_atom_v, true).then([] {}, [](const caf::error&) {});
  }
  if (running_.empty())
    return caf::unit;
  drainers_.push_back(self_->make_response_promise());
  return drainers_.back();
}

/// The jobs that did not end in order: their claims expire by themselves.
void job_manager_state::drop_all() {
  if (!draining_)
    return;
  while (!running_.empty()) {
    auto job = remove(running_.begin());
    self_->send_exit(job.actor, caf::exit_reason::kill);
    if (job.id != 0)
      later(job.id, caf::timespan::zero(), "the server stops");
  }
}

job_manager_impl::behavior_type job_manager(job_manager_state::pointer self, job_manager_config config,
                                            job_queue_actor queue, job_starter start) {
  return self->state.make_behavior(std::move(config), std::move(queue), std::move(start));
}

} // namespace vp
