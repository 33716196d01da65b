// A job whose source is still being uploaded.

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "actors/transcode_job.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vp {

namespace {

/// Puts ranges in order, with gaps between.
void join(std::vector<media::byte_range>& ranges) {
  std::ranges::sort(ranges, {}, &media::byte_range::begin);
  std::vector<media::byte_range> joined;
  for (const auto& range : ranges)
    if (!joined.empty() && range.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, range.end);
    else
      joined.push_back(range);
  ranges = std::move(joined);
}

/// `present`: in order, with gaps between.
bool covers(const std::vector<media::byte_range>& present, const media::byte_range& wanted) {
  if (wanted.empty())
    return true;
  const auto behind = std::ranges::upper_bound(present, wanted.begin, {}, &media::byte_range::begin);
  return behind != present.begin() && wanted.end <= std::prev(behind)->end;
}

} // namespace

void transcode_job_state::follow_upload() {
  self_->monitor(config_.upload);
  self_->send(config_.upload, watch_atom_v, arrival_listener{self_});
}

void transcode_job_state::handle_arrival(const arrival& now) {
  if (stage_ == stage::ending || whole_)
    return;
  changed_ = changed_ || present_ != now.present;
  present_ = now.present;
  there_ = now.present;
  there_.insert(there_.end(), now.arriving.begin(), now.arriving.end());
  join(there_);
  const auto is_another = std::exchange(reading_, now.reading) != now.reading;
  grows_ = now.grows;
  told_ = true;
  moved_ = self_->clock().now();
  if (now.whole)
    become_whole();
  note_ready();
  if (is_another
      || std::ranges::any_of(wishes_, [this](const auto& one) { return one.is_there != is_there(one.what); }))
    rank_wishes();
  look_if_due();
}

/// What of the file viewers wait for; they also wait for what is made of what is there, and for the first look at it.
void transcode_job_state::tell_upload() {
  if (!whole_)
    self_->send(config_.upload, want_atom_v, awaited_, viewers_wait_ || (stage_ == stage::analyzing && looking_));
}

/// Whether what a viewer waits for can be made, if need be of chunks that are still on their way.
bool transcode_job_state::is_there(const cell_part& what) const {
  const auto& work = cells_.at(what.segment);
  return (work.ready & what.renditions) != 0 || covers(there_, bytes_of(work.cell, kind_of(what), source_.size));
}

/// From here on the job is one like any other.
void transcode_job_state::become_whole() {
  whole_ = true;
  auto answered = [this](result<claimed_job> answer) {
    if (stage_ == stage::ending)
      return;
    if (answer) {
      claimed_whole_ = true;
      claim_ = answer->claim; // another one where the first had expired
      package_if_done();
    } else if (answer.error().code == errc::conflict) {
      end(job_end::put_back, answer.error().text);
    } else {
      end(answer.error().code == errc::not_found ? job_end::cancelled : job_end::put_back, answer.error().text);
    }
  };
  retrier_->ask<claimed_job>(catalog_, config_.request_timeout, answered, claim_atom_v, config_.video_hash,
                             config_.owner, config_.url, config_.claim_lifetime);
}

rendition_bits transcode_job_state::ready_bits(const media::segment& cell) const {
  if (whole_ || plan_.grows()) // which ends before what is not there
    return ~rendition_bits{0};
  rendition_bits bits = 0;
  for (const auto kind : {media::media_kind::video, media::media_kind::audio})
    if (covers(present_, bytes_of(cell, kind, source_.size)))
      bits |= renditions_of(plan_, kind);
  return bits;
}

/// Tells the dispatcher what it may give out by now.
void transcode_job_state::note_ready() {
  if (stage_ != stage::encoding)
    return;
  std::vector<cell_part> more;
  for (auto& [number, work] : cells_) {
    if ((~work.ready & (renditions_in(plan_, work.cell) | work.missing)) == 0)
      continue;
    const auto before = std::exchange(work.ready, work.ready | ready_bits(work.cell));
    if (const auto added = work.ready & ~before & work.missing; added != 0)
      more.push_back({number, added});
  }
  if (!more.empty())
    self_->send(dispatcher_, ready_atom_v, config_.video_hash, std::move(more));
}

std::vector<time_span> transcode_job_state::arrived_spans() const {
  std::vector<time_span> spans;
  if (whole_ || plan_.grows()) // where nobody knows how long it will be there is no place on a timeline
    return spans;
  for (const auto& [number, work] : cells_) {
    const auto all = renditions_in(plan_, work.cell);
    if ((work.ready & all) != all)
      continue;
    const auto span = span_of(plan_, work.cell);
    if (!spans.empty() && span.from - spans.back().to < 0.1)
      spans.back().to = span.to;
    else
      spans.push_back(span);
  }
  return spans;
}

} // namespace vp
