#include "media/grid.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vp::media {

namespace {

/// a * b / c rounded up, for a >= 0, without overflow on the way.
std::int64_t scale_up(std::int64_t a, std::int64_t b, std::int64_t c) {
  return a / c * b + (a % c * b + c - 1) / c;
}

} // namespace

void grid_planner::add_frame(std::int64_t pts, std::optional<std::int64_t> dts, std::int64_t duration, bool key) {
  if (pts < cut_ || (watermark_ != INT64_MIN && pts < watermark_ - second())) {
    ++dropped_; // the timestamps jump back: a decoder's frames have to go forward
    return;
  }
  // Without decoding times: no codec reorders by as much as a second.
  watermark_ = std::max(watermark_, dts ? std::min(*dts, pts) : pts - second());
  if (!waiting_.insert(pts).second)
    return;
  ++frames_;
  if (tracks_.at_keyframes && key)
    keys_.insert(pts);
  last_pts_ = std::max(last_pts_, pts);
  if (pts == last_pts_)
    video_end_ = pts + duration;
  advance();
}

void grid_planner::add_audio(std::int64_t end) {
  if (end <= audio_end_)
    return;
  audio_end_ = end;
  if (!tracks_.video)
    advance();
}

void grid_planner::finish() {
  finished_ = true;
  // A last picture that lasts long would hold all the audio beside it in one segment.
  if (audio_end_ > 0 && frames_ > 0)
    video_end_ = std::min(video_end_, last_pts_ + 4 * second());
  advance();
}

std::vector<segment> grid_planner::take() {
  return std::exchange(done_, {});
}

void grid_planner::advance() {
  if (tracks_.video)
    cut_video();
  if (!tracks_.video || finished_)
    cut_tail();
}

void grid_planner::cut_video() {
  while (!waiting_.empty()) {
    const auto start = *waiting_.begin();
    const auto cut = next_cut(start);
    const bool certain = cut != waiting_.end() && (finished_ || *cut <= watermark_);
    if (!certain || video_end_ - *cut < second())
      break;
    const auto frames = static_cast<std::uint32_t>(std::distance(waiting_.cbegin(), cut));
    const auto end = *cut;
    measure(cut, end);
    emit(start, end, frames, audio_frame_at(end));
    waiting_.erase(waiting_.cbegin(), cut);
    keys_.erase(keys_.begin(), keys_.lower_bound(end));
    cut_ = end;
  }
  if (!finished_ || waiting_.empty())
    return;
  // The last one: with what is left of the video, and of the audio where that is not enough for a segment of its own.
  tail_start_ = video_end_;
  auto audio_end = audio_frame_at(video_end_);
  const auto extra = audio_end_ - audio_end * audio_frame_size;
  if (extra > 0 && extra < audio_sample_rate)
    audio_end = scale_up(audio_end_, 1, audio_frame_size);
  measure(waiting_.end(), video_end_);
  emit(*waiting_.begin(), video_end_, static_cast<std::uint32_t>(waiting_.size()), audio_end);
  waiting_.clear();
}

/// The frame that begins the segment after the one that begins at `start`, if it is known.
std::set<std::int64_t>::const_iterator grid_planner::next_cut(std::int64_t start) const {
  const auto nominal = next_nominal(start);
  if (!tracks_.at_keyframes)
    return waiting_.lower_bound(nominal);
  const auto key = keys_.lower_bound(nominal);
  return key == keys_.end() ? waiting_.end() : waiting_.find(*key);
}

/// Of the first segment that waits, up to `last`.
void grid_planner::measure(std::set<std::int64_t>::const_iterator last, std::int64_t end) {
  constexpr int most_reordered = 8; // frames, of any usual setting of an encoder
  const auto first = *waiting_.begin();
  auto shown = first;
  std::int64_t longest = 0; // from one frame to the next
  for (auto it = std::next(waiting_.cbegin()); it != last; shown = *it++)
    longest = std::max(longest, *it - shown);
  widest_step_ = std::max({widest_step_, end - shown, std::min(most_reordered * longest, shown - first)});
}

/// Segments of audio alone, from the video's end or from time zero.
void grid_planner::cut_tail() {
  if (!tracks_.audio)
    return;
  const auto last = scale_up(audio_end_, 1, audio_frame_size);
  const auto end = scale_up(audio_end_, second(), audio_sample_rate);
  while (next_audio_ < last) {
    auto cut = next_nominal(tail_start_);
    if (cut - tail_start_ < second())
      cut = next_nominal(cut);
    if (end - cut < second()) {
      if (finished_) {
        emit(tail_start_, end, 0, last);
        tail_start_ = end;
      }
      return;
    }
    emit(tail_start_, cut, 0, audio_frame_at(cut));
    tail_start_ = cut;
  }
}

void grid_planner::emit(std::int64_t start, std::int64_t end, std::uint32_t frames, std::int64_t audio_end) {
  segment cell;
  cell.number = next_number_++;
  cell.start = start;
  cell.end = end;
  cell.frames = frames;
  if (tracks_.audio) {
    cell.audio_start = next_audio_;
    cell.audio_end = audio_end;
    next_audio_ = audio_end;
  }
  done_.push_back(cell);
}

std::int64_t grid_planner::next_nominal(std::int64_t after) const {
  const auto two = 2 * second();
  const auto four = 4 * second();
  if (after < 0)
    return 0;
  return after < two ? two : (after / four + 1) * four;
}

std::int64_t grid_planner::audio_frame_at(std::int64_t ticks) const {
  return scale_up(std::max<std::int64_t>(0, ticks), audio_sample_rate, second() * audio_frame_size);
}

} // namespace vp::media
