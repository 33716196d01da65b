// What viewers wait for, and the encoders that are there for it.

#include "actors/dispatcher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace vp {

bool dispatcher_state::has_wishes() const {
  return std::ranges::any_of(orders_, [](const auto& x) { return x.second.order.has_wishes(); });
}

std::size_t dispatcher_state::free_on_demand() const {
  return static_cast<std::size_t>(std::ranges::count_if(on_demand_, [this](auto id) { return idle_.contains(id); }));
}

/// Those for viewers on whom these can count: an analysis may take long.
std::size_t dispatcher_state::on_demand() const {
  return static_cast<std::size_t>(std::ranges::count_if(on_demand_, [this](auto id) {
    const auto& who = workers_.at(id);
    return !who.drained && !who.renewing && !(who.task && who.task->analysis);
  }));
}

/// Those for viewers that will have done what they do in no time: what is on its way may take a while.
std::size_t dispatcher_state::soon_free() const {
  return static_cast<std::size_t>(std::ranges::count_if(on_demand_, [this](auto id) {
    const auto& who = workers_.at(id);
    return !who.drained && who.task && !who.task->analysis && who.task->reading == 0;
  }));
}

/// What viewers wait for needs no credit of its video: there are never more such tasks than encoders.
bool dispatcher_state::give_wish(encoder_id id, worker& who, const finder& find) {
  if (full())
    return false;
  std::vector<video_order*> wished;
  for (auto& [hash, x] : orders_)
    if (x.order.has_wishes())
      wished.push_back(&x);
  sort_by_turn(wished);
  for (auto* x : wished)
    if (auto what = find(x->order)) {
      start(id, who, *x, *what);
      return true;
    }
  return false;
}

/// Viewers wait for what comes of these.
bool dispatcher_state::give_preview_analysis(encoder_id id, worker& who) {
  const auto next = std::ranges::find_if(
      analyses_, [&](const analysis& x) { return x.task.source.arriving() && x.crashes == 0 && may_do(who, x); });
  return start(id, who, next);
}

/// Null where it is an analysis, or of an order that was closed or replaced.
const order* dispatcher_state::order_of(const assignment& task) const {
  const auto found = orders_.find(task.video_hash);
  return found != orders_.end() && task.generation == found->second.generation ? &found->second.order : nullptr;
}

/// Whether a task makes what somebody has sought to, and other renditions with it.
bool dispatcher_state::holds_back_seeker(const assignment& task) const {
  const auto* order = order_of(task);
  return order && order->holds_back(task.part, vp::order::need::sought);
}

/// While one of the others is at work, or a seeker is about to get out of a task for more, the last free one is kept
/// for whoever seeks: nobody is nearer to having nothing to play.
bool dispatcher_state::keeps_last() const {
  return free_on_demand() == 1 && (on_demand() > 1 || std::ranges::any_of(workers_, [this](const auto& x) {
                                     return x.second.task && holds_back_seeker(*x.second.task);
                                   }));
}

/// The last free one never looks at an upload: that may take a while.
void dispatcher_state::give_on_demand(encoder_id id, worker& who) {
  const auto alone = is_alone(id, who);
  const auto last = keeps_last();
  const auto wished = has_wishes();
  const auto give = [&](auto find) { return wished && give_wish(id, who, find); };
  if (give([&](const order& x) { return x.urgent(id, alone, last); })
      || give([&](const order& x) { return x.first(id, alone, last); })
      || (free_on_demand() > 1 && give_preview_analysis(id, who)) || last)
    return;
  give([&](const order& x) { return x.soon(id, alone); });
}

void dispatcher_state::note_viewers() {
  watched_until_ = self_->clock().now() + config_.watching;
  if (!std::exchange(watched_, true))
    self_->delayed_send(self_, config_.watching, watch_atom_v);
}

/// Ends the tasks that hold back something urgent among other renditions, where one for viewers is free for it or none
/// is there; those that have just begun also for what is wanted soon, for little is lost.
void dispatcher_state::make_way() {
  const auto none = free_on_demand() + soon_free() == 0;
  auto free = none ? workers_.size() : free_on_demand();
  // What was told to make way before has somebody yet.
  const auto makes_way = [](const auto& x) {
    return x.second.task && x.second.task->interrupted && !x.second.task->unwanted;
  };
  free -= std::min(free, static_cast<std::size_t>(std::ranges::count_if(workers_, makes_way)));
  const auto least = [&](const assignment& task) {
    constexpr auto just_begun = std::chrono::milliseconds(500);
    if (!none && on_demand() > 1 && free == 1)
      return order::need::sought; // it is kept for that
    return self_->clock().now() - task.since < just_begun ? order::need::soon : order::need::urgent;
  };
  for (const auto& [hash, x] : orders_) {
    if (!x.order.is_hurried())
      continue;
    for (auto& [id, who] : workers_) {
      auto& task = who.task;
      if (free == 0)
        return;
      if (!task || task->generation != x.generation || task->interrupted
          || !x.order.holds_back(task->part, least(*task)))
        continue;
      --free;
      interrupt(id, who);
    }
  }
}

/// Ends what one for viewers makes and nobody wants any more, where all of them are busy and somebody has sought.
void dispatcher_state::drop_unwanted() {
  if (on_demand_.empty() || free_on_demand() > 0)
    return;
  const auto is_held_back = [this](const auto& x) {
    return x.second.task && !x.second.task->interrupted && holds_back_seeker(*x.second.task);
  };
  if (std::ranges::none_of(orders_, [](const auto& x) { return x.second.order.keeps_seekers_waiting(); })
      && std::ranges::none_of(workers_, is_held_back))
    return;
  const auto is_for_nobody = [this](encoder_id id) {
    const auto& who = workers_.at(id);
    const auto* order = who.task && !who.drained ? order_of(*who.task) : nullptr;
    return order && order->is_for_nobody(who.task->part);
  };
  const auto found = std::ranges::find_if(on_demand_, is_for_nobody);
  if (found != on_demand_.end() && !workers_.at(*found).task->interrupted)
    interrupt(*found, workers_.at(*found));
}

/// To be begun anew, behind something urgent.
void dispatcher_state::interrupt(encoder_id id, worker& who) {
  who.task->interrupted = true;
  spdlog::debug("encoder {}: segment {} of {} makes way", id, who.task->segment, who.task->video_hash);
  self_->send(who.handle, cancel_atom_v, who.task->video_hash);
}

/// Nobody has wished for anything since so long, or later than that.
void dispatcher_state::look_for_viewers() {
  const auto left = watched_until_ - self_->clock().now();
  watched_ = left > caf::timespan::zero();
  if (watched_)
    self_->delayed_send(self_, left, watch_atom_v);
  else
    dispatch();
}

/// Whether this encoder is the one that is kept free for viewers where none is there for them alone.
bool dispatcher_state::is_last_free(encoder_id id) const {
  if (!watched_ || idle_.size() > 1)
    return false;
  const auto others = [id](const auto& x) { return x.first != id && !x.second.drained; };
  return std::ranges::any_of(workers_, others) && on_demand() == 0;
}

} // namespace vp
