// Looking at the source: once where all is known of it then; else again and again while it arrives, and segments follow
// those that there are.

#include "actors/error.hpp"
#include "actors/node_interfaces.hpp"
#include "actors/time_to_read.hpp"
#include "actors/timeline.hpp"
#include "actors/transcode_job.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

namespace vp {

namespace {

/// A look reads all that is there. So there is another one only when so much has come that all of them together read
/// the file some nine times, or when the last one cost next to nothing.
constexpr std::uint64_t worth_a_look = 8; ///< an eighth more
constexpr int seldom = 20;                ///< times as long as it takes
constexpr std::chrono::seconds at_most_every{1};

constexpr auto never_again = std::numeric_limits<std::uint64_t>::max();

} // namespace

void transcode_job_state::look_if_due() {
  const auto analyzing = stage_ == stage::analyzing;
  const auto growing = stage_ == stage::encoding && plan_.grows();
  if (looking_ || !claim_ || (!analyzing && !growing))
    return;
  if (whole_) {
    look();
    return;
  }
  if (!told_ || (grows_ && beginning_there() == 0))
    return;
  if (!looked_at_) {
    look();
    return;
  }
  const auto there = bytes_there();
  const auto since = self_->clock().now() - looked_;
  if (there <= *looked_at_ || since < at_most_every)
    return;
  if (there - *looked_at_ >= *looked_at_ / worth_a_look || since >= seldom * look_took_)
    look();
}

std::uint64_t transcode_job_state::beginning_there() const {
  if (present_.empty() || present_.front().begin != 0)
    return 0;
  return present_.front().end / piece_size * piece_size; // encoders keep pieces, which must be whole
}

media::arrival transcode_job_state::arrival_state() const {
  if (whole_)
    return media::arrival::whole;
  return grows_ ? media::arrival::growing : media::arrival::arriving;
}

/// That a look could see.
std::uint64_t transcode_job_state::bytes_there() const {
  if (grows_)
    return beginning_there();
  return std::accumulate(present_.begin(), present_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& range) { return sum + range.size(); });
}

void transcode_job_state::look() {
  auto in = source_;
  in.state = arrival_state();
  in.size = in.grows() ? beginning_there() : file_size_;
  looking_ = true;
  looked_at_ = bytes_there();
  tell_upload();
  const auto begun = self_->clock().now();
  auto ended = [this, begun, plan = plan_number_] {
    if (plan != plan_number_)
      return false;
    looked_ = self_->clock().now();
    look_took_ = looked_ - begun;
    return true;
  };
  self_
      ->request(dispatcher_, config_.analyze_timeout + time_to_read(in), analyze_atom_v,
                analyze_task{in, config_.settings})
      .then(
          [this, ended, in](media::analysis& found) {
            if (ended())
              see(std::move(found), in);
          },
          [this, ended, in](const caf::error& problem) {
            if (ended())
              see_nothing(problem, in);
          });
}

void transcode_job_state::see(media::analysis found, const source_ref& in) {
  if (stage_ == stage::analyzing) {
    analyzed(std::move(found), in);
  } else if (stage_ == stage::encoding) {
    grow(std::move(found), in);
  }
}

void transcode_job_state::see_nothing(const caf::error& problem, const source_ref& in) {
  looking_ = false;
  tell_upload();
  if ((stage_ != stage::analyzing && stage_ != stage::encoding) || (whole_ && in.arriving()))
    return;
  const auto why = from_caf(problem);
  const auto unseen =
      problem == caf::sec::request_timeout || problem == caf::sec::request_receiver_down || why.code == errc::cancelled;
  // No verdict on the source: it is not there yet, or nobody had time for it.
  if ((in.grows() && (why.code == errc::incomplete || unseen)) || why.code == errc::not_arrived)
    return; // it is looked at again when there is more
  if (in.grows() && stage_ == stage::encoding)
    looked_at_ = never_again; // until it is whole
  else if (why.code == errc::incomplete)
    end(job_end::not_yet, why.text);
  else if (unseen)
    end(job_end::put_back, why.text);
  else
    give_up(why.text, in);
}

/// What is found in all of a file is a verdict, whatever its beginning looked like.
void transcode_job_state::give_up(const std::string& why, const source_ref& in) {
  if (!in.arriving())
    plan_.seen = 0;
  fail_video("The video can't be read: " + why);
}

void transcode_job_state::analyzed(media::analysis found, const source_ref& in) {
  if (found.segments.empty()) {
    give_up("there is nothing in it to play", in);
    return;
  }
  if (plan_.grows() && !goes_on(found)) { // than an earlier start has seen it
    differs(in);
    return;
  }
  source_ = in;
  auto shared = std::make_shared<media::analysis>(std::move(found));
  keep_plan(*shared, [this, shared] {
    if (stage_ == stage::analyzing)
      open(std::move(*shared));
  });
}

/// Whether nothing is different in what was found before.
bool transcode_job_state::goes_on(const media::analysis& found) const {
  return found.plan.renditions == plan_.renditions && found.segments.size() >= segments_.size()
         && std::ranges::equal(segments_, std::span(found.segments).first(segments_.size()),
                               &media::segment::same_cell);
}

/// What was found does not go on with what was found before. Of the whole file it is planned anew, under other names:
/// what is kept under the old ones is of other segments.
void transcode_job_state::differs(const source_ref& in) {
  constexpr auto reason = "the file goes on otherwise than its beginning looked";
  looking_ = false;
  if (!in.arriving()) {
    config_.settings.salt += '+';
    begin_again(reason);
  } else if (!whole_) {
    end(job_end::not_yet, reason);
  }
}

void transcode_job_state::grow(media::analysis found, const source_ref& in) {
  if (!goes_on(found)) {
    differs(in);
    return;
  }
  if (found.plan.grows() && found.segments.size() == segments_.size()) {
    looking_ = false;
    return;
  }
  auto what = std::make_shared<media::analysis>(std::move(found));
  keep_plan(*what, [this, what, in, plan = plan_number_] {
    if (stage_ == stage::encoding && plan == plan_number_)
      grown(*what, in);
  });
}

void transcode_job_state::grown(const media::analysis& what, const source_ref& in) {
  source_ = in;
  take_plan(what);
  changed_ = true;
  // Known here before a manifest names them, and viewers ask.
  self_->send(dispatcher_, grow_atom_v, job_order{source_, plan_, take_cells(), {}});
  auto written = [this, plan = plan_number_](result<void> answer) {
    if (stage_ != stage::encoding || plan != plan_number_)
      return;
    looking_ = false;
    if (answer)
      package_if_done();
    else
      fail_video("The video can't be stored: " + answer.error().text);
  };
  retrier_->ask<void>(segmenter_, config_.finish_timeout, written, grow_atom_v, what);
}

} // namespace vp
