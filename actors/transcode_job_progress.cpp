// Keeping others informed: the claim is renewed, and progress published.

#include "actors/error.hpp"
#include "actors/transcode_job.hpp"

namespace vp {

void transcode_job_state::tick() {
  auto now = self_->clock().now();
  // A tick from outside must not start a second row of them.
  if (now < tick_at_)
    return;
  tick_at_ = now + config_.progress_interval;
  self_->delayed_send(self_, config_.progress_interval, tick_atom_v);
  if (!claim_ || stage_ == stage::ending)
    return;
  look_after_wishes();
  look_if_due();
  const auto waits = stage_ == stage::encoding || (stage_ == stage::analyzing && !looking_);
  if (!whole_ && waits && running_.empty() && wishes_.empty() && now - moved_ >= config_.upload_idle) {
    end(job_end::put_back, "the upload does not go on");
    return;
  }
  if (now >= renew_at_)
    renew();
  if (changed_ || phase() != published_phase_)
    publish();
}

void transcode_job_state::renew() {
  renew_at_ = self_->clock().now() + config_.renewal;
  self_->request(catalog_, config_.request_timeout, renew_atom_v, *claim_, config_.claim_lifetime)
      .then([] {},
            // Anything but the claim's loss may be better the next time, well before it expires.
            [this](const caf::error& problem) { check_claim(from_caf(problem)); });
}

/// Ends a job whose claim is lost. One that has asked for its own end learns from that whether it came in time.
void transcode_job_state::check_claim(const error& why) {
  if (why.code == errc::stale && stage_ < stage::packaging)
    end(job_end::cancelled, why.text);
  else if (why.code == errc::conflict && !claimed_whole_)
    end(job_end::put_back, why.text);
}

/// A new phase at once, for that is when a video can be watched; of what else changes, not too much.
void transcode_job_state::publish() {
  if (continues_ && stage_ < stage::encoding && retrier_->waiting_for_disk() == 0)
    return; // it can be watched as the earlier start has left it
  auto now = self_->clock().now();
  if (phase() == published_phase_ && now - published_ < config_.progress_interval) {
    changed_ = true;
    return;
  }
  published_ = now;
  published_phase_ = phase();
  changed_ = false;
  self_->request(catalog_, config_.request_timeout, progress_atom_v, *claim_, snapshot())
      .then([] {},
            [this](const caf::error& problem) {
              changed_ = true;
              check_claim(from_caf(problem));
            });
}

std::string transcode_job_state::phase() const {
  if (retrier_->waiting_for_disk() > 0)
    return "waiting for disk space";
  if (stage_ < stage::encoding)
    return "analyzing";
  return stage_ < stage::packaging ? "encoding" : "packaging";
}

namespace {

std::vector<segment_run> runs_of(const std::set<std::uint32_t>& numbers) {
  std::vector<segment_run> runs;
  for (auto number : numbers)
    if (!runs.empty() && runs.back().last + 1 == number)
      runs.back().last = number;
    else
      runs.push_back({number, number});
  return runs;
}

} // namespace

progress transcode_job_state::snapshot() const {
  if (stage_ < stage::encoding)
    return {phase(), 0, 0, {}, -1, {}};
  progress x{phase(), 0, static_cast<std::uint32_t>(segments_.size()), totals_, -1, arrived_spans()};
  x.segments_done = static_cast<std::uint32_t>(cells_.size() - unfinished_);
  for (std::size_t i = 0; i < totals_.size(); ++i) {
    auto& rendition = x.renditions[i];
    if (auto found = stored_.find(plan_.renditions[i].id); found != stored_.end()) {
      rendition.done = static_cast<std::uint32_t>(found->second.size());
      rendition.ready = runs_of(found->second);
    }
    for (const auto& part : running_)
      if ((part.renditions >> i & 1U) != 0)
        rendition.running.push_back(part.segment);
  }
  if (stage_ == stage::packaging)
    x.eta_seconds = 0;
  else if (auto speed = speed_.per_second(); speed && *speed > 0)
    x.eta_seconds = seconds_left_ / *speed;
  return x;
}

} // namespace vp
