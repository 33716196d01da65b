// What viewers wait for.

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "actors/transcode_job.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace vp {

namespace {

/// A fragment that is not needed before that lets others go first.
constexpr std::chrono::seconds a_little_later{2};

/// How much players have in their buffers while a video is being made. Who asks for more in advance does not play.
constexpr std::chrono::seconds most_buffered{12};

/// Of one viewer's pictures, and of its sound. What it asks for beyond can wait.
constexpr std::size_t urgent_at_once = 2;

/// A viewer has several players, and some of them are gone.
constexpr std::size_t viewings_kept = 8;
constexpr std::size_t viewers_kept = 1024;

} // namespace

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
  const cell_part part{what.segment, bit};
  const auto now = self_->clock().now();
  wishes_.push_back({id, what.viewer, part, {}, now, due(what.viewer, part, now)});
  rank_wishes();
  return id;
}

media::media_kind transcode_job_state::kind_of(const cell_part& what) const {
  const auto is_audio = (what.renditions & renditions_of(plan_, media::media_kind::audio)) != 0;
  return is_audio ? media::media_kind::audio : media::media_kind::video;
}

/// A player that has sought needs the fragment there at once, and the next one when it has played that.
transcode_job_state::clock::time_point transcode_job_state::due(const std::string& viewer, const cell_part& what,
                                                                clock::time_point now) {
  if (!viewings_.contains(viewer) && viewings_.size() >= viewers_kept)
    viewings_.erase(viewings_.begin());
  auto& of_viewer = viewings_[viewer];
  const auto kind = kind_of(what);
  const auto from = span_of(plan_, cells_.at(what.segment).cell).from;
  // Who has asked for nothing until long after that was played has stopped, and now comes back.
  auto found = std::find_if(of_viewer.rbegin(), of_viewer.rend(), [&](const viewing& one) {
    return one.kind == kind && one.last + 1 == what.segment && now <= one.due + most_buffered;
  });
  if (found == of_viewer.rend()) {
    if (of_viewer.size() == viewings_kept)
      of_viewer.pop_front();
    of_viewer.push_back({kind, what.segment, from, now});
    return now;
  }
  const auto plays = std::chrono::duration<double>(from - found->from);
  // Asked for behind time, the one before has only just come.
  *found = {kind, what.segment, from, std::max(found->due, now) + std::chrono::round<clock::duration>(plays)};
  return found->due;
}

caf::result<void> transcode_job_state::await(std::uint64_t wish) {
  auto found = std::find_if(wishes_.begin(), wishes_.end(), [wish](const auto& one) { return one.id == wish; });
  if (found == wishes_.end())
    return caf::unit; // granted by now
  auto answer = self_->make_response_promise();
  found->answers.push_back(answer);
  return answer;
}

/// Drops those that nobody waits for: whoever made them may never have learned their numbers. What could wait may not
/// be able to any more.
void transcode_job_state::look_after_wishes() {
  constexpr auto soon = std::chrono::seconds(30);
  const auto now = self_->clock().now();
  const auto dropped =
      std::erase_if(wishes_, [&](const auto& one) { return one.answers.empty() && now - one.since >= soon; });
  const auto is_overtaken = [&](const auto& x) {
    return (x.can_wait && x.due <= now + a_little_later) || (x.asks_ahead && x.due <= now + most_buffered);
  };
  if (dropped != 0 || std::ranges::any_of(wishes_, is_overtaken))
    rank_wishes();
}

void transcode_job_state::refuse_wishes() {
  for (auto& one : wishes_)
    for (auto& answer : one.answers)
      answer.deliver(to_caf(errc::overloaded, "the work on this video has been interrupted"));
  wishes_.clear();
  awaited_.clear();
  viewers_wait_ = false;
}

void transcode_job_state::grant_wishes(std::uint32_t number, rendition_bits which) {
  const auto now = self_->clock().now();
  const auto granted = std::erase_if(wishes_, [&](viewer_wish& one) {
    if (one.what.segment != number || (one.what.renditions & which) == 0)
      return false;
    for (auto& answer : one.answers)
      answer.deliver(caf::unit);
    // It is played from now on, if not later.
    if (auto found = viewings_.find(one.viewer); found != viewings_.end())
      for (auto& its : found->second)
        if (its.kind == kind_of(one.what) && its.last == number)
          its.due = std::max(its.due, now);
    return true;
  });
  if (granted != 0)
    rank_wishes();
}

/// What is needed soon, before what is needed later, and who has sought before who plays on: a client that wants all,
/// one after the other, is one that plays on, and always late. The first picture and the first sound of each viewer,
/// then the second of each, and so on: nobody gets ahead by asking for much. Sound is made in no time, so that pictures
/// can wait for it.
void transcode_job_state::rank_wishes() {
  if (stage_ != stage::encoding)
    return;
  struct place {
    bool later = false;
    bool much_later = false;
    bool plays_on = false; ///< or has sought somewhere else, too
    std::size_t turn = 0;
    bool is_video = false;
    const viewer_wish* wish = nullptr;
  };
  const auto now = self_->clock().now();
  std::map<std::pair<std::string, media::media_kind>, std::size_t> asked;
  std::set<std::pair<std::string, media::media_kind>> sought;
  std::vector<place> places;
  places.reserve(wishes_.size());
  for (auto& one : wishes_) {
    const auto kind = kind_of(one.what);
    const auto turn = asked[{one.viewer, kind}]++;
    one.can_wait = one.due > now + a_little_later;
    one.asks_ahead = one.due > now + most_buffered;
    one.is_there = is_there(one.what);
    const auto is_first_seek = one.due <= one.since && sought.insert({one.viewer, kind}).second;
    places.push_back({!is_first_seek && (one.can_wait || turn >= urgent_at_once),
                      turn >= urgent_at_once || one.asks_ahead, !is_first_seek, turn, kind == media::media_kind::video,
                      &one});
  }
  std::ranges::stable_sort(places, {}, [](const place& x) {
    return std::tuple{x.later, x.later && x.much_later, x.plays_on, x.turn, x.is_video, x.wish->due};
  });
  viewer_needs needs;
  needs.reading = reading_;
  awaited_.clear();
  std::set<std::pair<std::uint32_t, rendition_bits>> seen; // several players want the same
  for (const auto& place : places) {
    const auto& what = place.wish->what;
    if (!seen.insert({what.segment, what.renditions}).second)
      continue;
    (place.later ? needs.later : needs.urgent).push_back(what);
    needs.sought += place.plays_on ? 0 : 1;
    needs.soon += place.later && !place.much_later ? 1 : 0;
    const auto& work = cells_.at(what.segment);
    if ((work.ready & what.renditions) != 0)
      continue;
    awaited_.push_back(bytes_of(work.cell, kind_of(what), source_.size));
    if (place.wish->is_there && !place.later)
      needs.early.push_back(what);
  }
  viewers_wait_ = !needs.urgent.empty();
  self_->send(dispatcher_, want_atom_v, config_.video_hash, std::move(needs));
  tell_upload();
}

/// What whoever opens a video that is being uploaded asks for first. One cell is enough: what is made apart from the
/// other renditions is decoded twice, and viewers say themselves what they want next. Pictures and sound come apart, so
/// that two encoders can make them at the same time.
std::vector<cell_part> transcode_job_state::beginning() const {
  if (!config_.upload || cells_.empty())
    return {};
  const auto cell = cells_.begin()->first;
  return {{cell, starting_rendition(plan_)}, {cell, renditions_of(plan_, media::media_kind::audio)}};
}

} // namespace vp
