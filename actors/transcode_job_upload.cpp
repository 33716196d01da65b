// A job whose source is still being uploaded.

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "actors/transcode_job.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vp {

namespace {

/// An encoder's reads are whole blocks of this size, and it reads one ahead.
constexpr std::uint64_t block_size = 64 * 1024;

/// Beyond those whose bytes are acknowledged, so many are made of what may yet be taken back: what comes of them is
/// kept in memory until then.
constexpr std::ptrdiff_t most_early = 2;

/// Tells one reading of the source from the next in its version.
constexpr std::uint64_t one_reading = std::uint64_t{1} << 32U;

/// Both in order and with gaps between; so is the result.
std::vector<media::byte_range> merge(std::vector<media::byte_range> ranges,
                                     const std::vector<media::byte_range>& more) {
  ranges.insert(ranges.end(), more.begin(), more.end());
  std::ranges::sort(ranges, {}, &media::byte_range::begin);
  std::vector<media::byte_range> merged;
  for (const auto& range : ranges)
    if (!merged.empty() && range.begin <= merged.back().end)
      merged.back().end = std::max(merged.back().end, range.end);
    else
      merged.push_back(range);
  return merged;
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
  present_ = now.present;
  there_ = merge(now.present, now.arriving);
  grows_ = now.grows;
  told_ = true;
  moved_ = self_->clock().now();
  changed_ = true;
  if (now.whole)
    become_whole();
  for (const auto& told : std::exchange(too_early_, {}))
    told();
  note_ready();
  look_if_due();
}

/// Encoders may have read of what is gone, also in advance. Once they have let go of the source they are given it as if
/// it were another one.
void transcode_job_state::handle_abort() {
  there_ = present_; // the rest of it is told again
  if (stage_ != stage::encoding || whole_ || plan_.grows())
    return;
  too_early_.clear();
  source_.version += one_reading;
  for (auto& [number, work] : cells_)
    work.ready = ready_bits(work.cell, present_);
  if (std::exchange(reading_again_, true))
    return;
  close_order([this] {
    reading_again_ = false;
    if (stage_ != stage::encoding)
      return;
    job_order order{source_, plan_, {}, beginning()};
    for (const auto& [number, work] : cells_)
      if (const auto wanted = work.missing & ~work.storing; wanted != 0)
        order.cells.push_back({work.cell, wanted, work.ready});
    self_->send(dispatcher_, open_atom_v, std::move(order), order_listener{self_});
    rank_wishes();
    note_ready();
  });
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

/// What of the source it takes to encode this kind of a cell.
media::byte_range transcode_job_state::needed(const media::segment& cell, media::media_kind kind) const {
  const auto& bytes = kind == media::media_kind::video ? cell.video_bytes : cell.audio_bytes;
  if (bytes.empty())
    return bytes;
  return {bytes.begin / block_size * block_size, std::min(source_.size, (bytes.end / block_size + 2) * block_size)};
}

rendition_bits transcode_job_state::ready_bits(const media::segment& cell,
                                               const std::vector<media::byte_range>& there) const {
  if (whole_ || plan_.grows()) // which ends before what is not there
    return ~rendition_bits{0};
  rendition_bits bits = 0;
  for (const auto kind : {media::media_kind::video, media::media_kind::audio})
    if (covers(there, needed(cell, kind)))
      bits |= renditions_of(plan_, kind);
  return bits;
}

/// Whether all that these renditions of a cell are made of stays as it is.
bool transcode_job_state::is_acknowledged(const cell_work& work, rendition_bits which) const {
  return (which & work.ready & ~ready_bits(work.cell, present_)) == 0;
}

/// Tells the dispatcher what it may give out by now.
void transcode_job_state::note_ready() {
  if (stage_ != stage::encoding || reading_again_)
    return;
  std::vector<cell_part> more;
  auto early = std::ranges::count_if(
      cells_, [&](const auto& each) { return !is_acknowledged(each.second, each.second.missing); });
  for (auto& [number, work] : cells_) {
    if ((~work.ready & (renditions_in(plan_, work.cell) | work.missing)) == 0)
      continue;
    const auto before = std::exchange(work.ready, work.ready | ready_bits(work.cell, present_));
    if (early < most_early && work.ready == before && (ready_bits(work.cell, there_) & ~work.ready) != 0) {
      work.ready |= ready_bits(work.cell, there_);
      ++early;
    }
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
