// What viewers wait for.

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "actors/transcode_job.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace vp {

caf::result<std::uint64_t> transcode_job_state::wish(const fragment_wish& what) {
  if (stage_ < stage::encoding)
    return to_caf(errc::overloaded, "the video is just being looked at");
  const auto found = cells_.find(what.segment);
  const auto bit = what.rendition == media::poster_id ? 0 : bit_of(plan_, what.rendition);
  if (found == cells_.end() || (bit & renditions_in(plan_, found->second.cell)) == 0)
    return to_caf(errc::not_found, "there is no such fragment");
  const auto id = ++last_wish_;
  if ((found->second.missing & bit) == 0)
    return id; // it has just come
  if (stage_ != stage::encoding)
    return to_caf(errc::overloaded, "the work on this video is being ended");
  const auto of_viewer = static_cast<std::size_t>(
      std::count_if(wishes_.begin(), wishes_.end(), [&](const auto& one) { return one.viewer == what.viewer; }));
  if (wishes_.size() >= config_.wishes || of_viewer >= config_.viewer_wishes)
    return to_caf(errc::overloaded, "too many fragments are being waited for");
  wishes_.push_back({id, what.viewer, {what.segment, bit}, {}, self_->clock().now()});
  rank_wishes();
  return id;
}

caf::result<void> transcode_job_state::await(std::uint64_t wish) {
  auto found = std::find_if(wishes_.begin(), wishes_.end(), [wish](const auto& one) { return one.id == wish; });
  if (found == wishes_.end())
    return caf::unit; // granted by now
  auto answer = self_->make_response_promise();
  found->answers.push_back(answer);
  return answer;
}

/// Whoever made them has not come to wait, and may never have learned their numbers.
void transcode_job_state::drop_forgotten_wishes() {
  constexpr auto soon = std::chrono::seconds(30);
  const auto now = self_->clock().now();
  if (std::erase_if(wishes_, [&](const auto& one) { return one.answers.empty() && now - one.since >= soon; }) != 0)
    rank_wishes();
}

void transcode_job_state::refuse_wishes() {
  for (auto& one : wishes_)
    for (auto& answer : one.answers)
      answer.deliver(to_caf(errc::overloaded, "the work on this video has been interrupted"));
  wishes_.clear();
}

void transcode_job_state::grant_wishes(std::uint32_t number, rendition_bits which) {
  const auto granted = std::erase_if(wishes_, [&](viewer_wish& one) {
    const auto is_it = one.what.segment == number && (one.what.renditions & which) != 0;
    if (is_it)
      for (auto& answer : one.answers)
        answer.deliver(caf::unit);
    return is_it;
  });
  if (granted != 0)
    rank_wishes();
}

/// The first of each viewer, then the second of each, and so on: nobody gets ahead by asking for much.
void transcode_job_state::rank_wishes() {
  if (stage_ != stage::encoding)
    return;
  std::map<std::string, std::size_t> asked;
  std::vector<std::pair<std::size_t, const viewer_wish*>> turns;
  turns.reserve(wishes_.size());
  for (const auto& one : wishes_)
    turns.emplace_back(asked[one.viewer]++, &one);
  std::stable_sort(turns.begin(), turns.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<cell_part> parts;
  std::vector<media::byte_range> bytes;
  for (const auto& [turn, one] : turns) {
    parts.push_back(one->what);
    const auto& work = cells_.at(one->what.segment);
    const auto is_video = (one->what.renditions & renditions_of(plan_, media::media_kind::video)) != 0;
    if ((work.ready & one->what.renditions) == 0)
      bytes.push_back(needed(work.cell, is_video ? media::media_kind::video : media::media_kind::audio));
  }
  self_->send(dispatcher_, want_atom_v, config_.video_hash, std::move(parts));
  if (!whole_)
    self_->send(config_.upload, want_atom_v, std::move(bytes));
}

/// What whoever opens a video that is being uploaded asks for first. One cell is enough: what is made apart from the
/// other renditions is decoded twice, and viewers say themselves what they want next.
cell_part transcode_job_state::beginning() const {
  if (!config_.upload || cells_.empty())
    return {};
  return {cells_.begin()->first, starting_rendition(plan_) | renditions_of(plan_, media::media_kind::audio)};
}

} // namespace vp
