#include "actors/dispatcher.hpp"

#include "actors/error.hpp"
#include "actors/time_to_read.hpp"
#include "actors/timeline.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace vp {

dispatcher_impl::behavior_type dispatcher_state::make_behavior(dispatcher_config config) {
  config_ = std::move(config);
  self_->set_down_handler([this](caf::down_msg& down) { handle_down(down.source, down.reason); });
  return {
      [this](register_atom, const encoder_actor& encoder, const encoder_info& where) { enlist(encoder, where); },
      [this](drain_atom, const std::string& node) { return drain(node); },
      [this](drain_atom, const encoder_actor& encoder) { drain(encoder); },
      [this](analyze_atom, analyze_task& task) -> caf::result<media::analysis> {
        auto answer = self_->make_response_promise();
        // Whoever asks may end while it waits; what nobody wants to know is not looked for.
        self_->monitor(answer.source());
        analyses_.push_back({std::move(task), answer, 0, 0, 0, {}});
        dispatch();
        return answer;
      },
      [this](open_atom, job_order& what, const order_listener& listener) { open(std::move(what), listener); },
      [this](grow_atom, job_order& more) {
        if (auto found = orders_.find(more.source.video_hash); found != orders_.end())
          found->second.order.grow(std::move(more));
        dispatch();
      },
      [this](ready_atom, const std::string& video_hash, const std::vector<cell_part>& parts) {
        if (auto found = orders_.find(video_hash); found != orders_.end())
          found->second.order.arrived(parts);
        dispatch();
      },
      [this](want_atom, const std::string& video_hash, viewer_needs& what) {
        if (auto found = orders_.find(video_hash); found != orders_.end()) {
          if (!what.urgent.empty() || !what.later.empty())
            note_viewers();
          found->second.order.wish(std::move(what));
        }
        dispatch();
      },
      [this](store_atom, const std::string& video_hash, std::uint32_t segment) {
        if (auto found = orders_.find(video_hash); found != orders_.end())
          found->second.order.stored(segment);
        dispatch();
      },
      [this](close_atom, const std::string& video_hash) -> caf::result<void> {
        auto answer = self_->make_response_promise();
        closing_.emplace(video_hash, answer);
        close(video_hash);
        return answer;
      },
      [this](status_atom) { return status(); },
      [this](tick_atom, encoder_id id) {
        if (auto found = workers_.find(id); found != workers_.end()) {
          found->second.resting = false;
          note(id, found->second);
        }
        dispatch();
      },
      [this](tick_atom) { dispatch(); },
      [this](watch_atom) { look_for_viewers(); },
  };
}

// -- who is there ---------------------------------------------------------------------------------

void dispatcher_state::enlist(const encoder_actor& encoder, const encoder_info& where) {
  auto known = std::any_of(workers_.begin(), workers_.end(), [&](const auto& x) { return x.second.handle == encoder; });
  if (!encoder || known)
    return;
  self_->monitor(encoder);
  auto id = ++last_encoder_;
  auto& who = workers_[id];
  who.handle = encoder;
  who.where = where;
  who.drained = drained_runs_.contains(where.run);
  who.rate.start(self_->clock().now());
  if (where.on_demand)
    on_demand_.insert(id);
  note(id, who);
  config_.metrics->encoders.Set(static_cast<double>(workers_.size()));
  config_.metrics->slots(where.node).Increment();
  dispatch();
}

caf::result<std::uint32_t> dispatcher_state::drain(const std::string& node) {
  std::uint32_t busy = 0;
  auto known = false;
  for (auto& [id, who] : workers_)
    if (who.where.node == node) {
      known = true;
      who.drained = true;
      drained_runs_.insert(who.where.run);
      busy += who.task ? 1 : 0;
      leave(id, who); // it goes on nowhere
      note(id, who);
    }
  if (!known)
    return to_caf(errc::not_found, "there is no node of this name");
  return busy;
}

void dispatcher_state::drain(const encoder_actor& encoder) {
  for (auto& [id, who] : workers_)
    if (who.handle == encoder) {
      who.drained = true;
      leave(id, who);
      note(id, who);
    }
}

bool dispatcher_state::is_free(const worker& who) const {
  return !who.task && !who.resting && !who.drained && !who.renewing;
}

/// To be called when anything has changed that `is_free` looks at.
void dispatcher_state::note(encoder_id id, const worker& who) {
  if (is_free(who))
    idle_.insert(id);
  else
    idle_.erase(id);
}

void dispatcher_state::open(job_order what, const order_listener& listener) {
  auto hash = what.source.video_hash;
  drop_order(hash);
  self_->monitor(listener);
  orders_[hash] = {order{std::move(what)}, listener, ++last_id_, 0};
  dispatch();
}

void dispatcher_state::close(const std::string& video_hash) {
  drop_order(video_hash);
  for (auto i = analyses_.begin(); i != analyses_.end();) {
    if (i->task.source.video_hash == video_hash) {
      i->answer.deliver(to_caf(errc::cancelled, "cancelled"));
      i = analyses_.erase(i);
    } else {
      ++i;
    }
  }
  for (auto& [id, who] : workers_)
    if (who.task && who.task->video_hash == video_hash && !who.task->unwanted) {
      who.task->unwanted = true;
      self_->send(who.handle, cancel_atom_v, video_hash);
    }
  settle(video_hash);
  dispatch();
}

/// Forgets an order, and ends what runs for it.
void dispatcher_state::drop_order(const std::string& video_hash) {
  auto found = orders_.find(video_hash);
  if (found == orders_.end())
    return;
  self_->demonitor(found->second.listener.address());
  for (auto& [id, who] : workers_)
    if (who.task && who.task->generation == found->second.generation) {
      who.task->unwanted = true;
      self_->send(who.handle, cancel_atom_v, video_hash);
    }
  orders_.erase(found);
}

/// To be called when a task of a video has ended. Answers those who wait for its encoders to let go, once they have.
void dispatcher_state::settle(const std::string& video_hash) {
  tell_running(video_hash);
  auto [begin, end] = closing_.equal_range(video_hash);
  if (begin == end)
    return;
  auto holds = [&](const auto& x) {
    return x.second.task && x.second.task->unwanted && x.second.task->video_hash == video_hash;
  };
  if (std::any_of(workers_.begin(), workers_.end(), holds))
    return;
  for (auto i = begin; i != end; ++i)
    i->second.deliver(caf::unit);
  closing_.erase(begin, end);
}

void dispatcher_state::handle_down(const caf::actor_addr& whom, const caf::error& why) {
  for (auto& [id, who] : workers_)
    if (who.handle.address() == whom) {
      lose(id, why);
      return;
    }
  std::vector<std::string> gone;
  for (auto& [hash, x] : orders_)
    if (x.listener.address() == whom)
      gone.push_back(hash);
  for (auto& hash : gone)
    close(hash);
  auto asked = [&](const analysis& x) { return x.answer.source() && x.answer.source()->address() == whom; };
  analyses_.erase(std::remove_if(analyses_.begin(), analyses_.end(), asked), analyses_.end());
  for (auto& [id, who] : workers_)
    if (who.task && who.task->analysis && asked(*who.task->analysis) && !who.task->unwanted) {
      who.task->unwanted = true;
      self_->send(who.handle, cancel_atom_v, who.task->video_hash);
    }
}

// -- giving tasks out -----------------------------------------------------------------------------

void dispatcher_state::dispatch() {
  look_for_fresh();
  // Those for viewers come first, the others do what these leave.
  for (auto id : on_demand_)
    if (idle_.contains(id))
      give_on_demand(id, workers_.at(id));
  make_way();
  drop_unwanted();
  // A copy: who is given a task leaves the set.
  const std::vector<encoder_id> idle(idle_.begin(), idle_.end());
  std::vector<video_order*> open;
  for (auto id : idle) {
    auto& who = workers_.at(id);
    if (who.where.on_demand)
      continue;
    if (give_analysis(id, who))
      continue;
    open = open_orders();
    if (open.empty() && analyses_.empty() && !has_wishes())
      break; // nobody else has anything to do either
    give_task(id, who, open);
  }
  auto busy = std::count_if(workers_.begin(), workers_.end(), [](const auto& x) { return x.second.task.has_value(); });
  config_.metrics->encoders_busy.Set(static_cast<double>(busy));
}

std::size_t dispatcher_state::ordinary() const {
  return workers_.size() - on_demand_.size();
}

bool dispatcher_state::has_credit(const video_order& x) const {
  return x.order.unstored() < ordinary() + config_.slack;
}

/// Whether all videos together hold as much as they may.
bool dispatcher_state::full() const {
  auto held = std::accumulate(orders_.begin(), orders_.end(), std::size_t{0},
                              [](std::size_t sum, const auto& x) { return sum + x.second.order.unstored(); });
  return held >= 2 * (ordinary() + config_.slack);
}

/// Orders with segments that may be given out, the one whose turn it is first.
std::vector<dispatcher_state::video_order*> dispatcher_state::open_orders() {
  std::vector<video_order*> open;
  if (full())
    return open;
  for (auto& [hash, x] : orders_)
    if (x.order.waiting() > 0 && has_credit(x))
      open.push_back(&x);
  sort_by_turn(open);
  return open;
}

void dispatcher_state::sort_by_turn(std::vector<video_order*>& orders) {
  std::sort(orders.begin(), orders.end(), [](const auto* x, const auto* y) {
    return std::pair{x->order.running(), x->last_served} < std::pair{y->order.running(), y->last_served};
  });
}

bool dispatcher_state::give_analysis(encoder_id id, worker& who) {
  auto find = [&](bool suspect) {
    return std::find_if(analyses_.begin(), analyses_.end(),
                        [&](const analysis& x) { return (x.crashes > 0) == suspect && may_do(who, x); });
  };
  auto next = find(false);
  if (who.fresh)
    // First what nobody else may do.
    if (auto suspect = find(true); suspect != analyses_.end())
      next = suspect;
  return start(id, who, next);
}

/// A node that was too slow for an analysis gets it again only where every other one was.
bool dispatcher_state::may_do(const worker& who, const analysis& what) const {
  return !what.too_slow.contains(who.where.node) || std::ranges::none_of(workers_, [&](const auto& x) {
    return !x.second.drained && !what.too_slow.contains(x.second.where.node);
  });
}

/// Whether there is no other encoder of its kind.
bool dispatcher_state::is_alone(encoder_id id, const worker& who) const {
  return std::ranges::none_of(workers_, [&](const auto& x) {
    return x.first != id && x.second.where.on_demand == who.where.on_demand && !x.second.drained && !x.second.renewing;
  });
}

bool dispatcher_state::give_task(encoder_id id, worker& who, const std::vector<video_order*>& open) {
  const auto alone = is_alone(id, who);
  auto give = [&](video_order& x, const std::optional<order::part>& what) {
    if (what)
      start(id, who, x, *what);
    return what.has_value();
  };
  if (who.fresh)
    for (auto* x : open)
      if (x->order.waiting_for_fresh() > 0 && give(*x, x->order.next(id, alone, true)))
        return true;
  // While those that are there for it are busy, they have the processors to themselves.
  auto theirs = soon_free();
  if (give_wish(id, who, [&](const vp::order& x) { return x.left_over(id, alone, theirs); })
      || give_wish(id, who, [&](const vp::order& x) { return x.later(id, alone); }))
    return true;
  if (is_last_free(id))
    return false;
  auto here =
      std::find_if(open.begin(), open.end(), [&](const auto* x) { return x->order.source().video_hash == who.video; });
  if (here != open.end() && (who.run < config_.run || open.size() == 1)
      && give(**here, (*here)->order.adjacent(id, alone)))
    return true;
  return std::any_of(open.begin(), open.end(), [&](auto* x) { return give(*x, x->order.next(id, alone)); });
}

/// Where something waits for a fresh encoder and none comes by itself, one of the others makes place for it.
void dispatcher_state::look_for_fresh() {
  auto wanted = std::any_of(analyses_.begin(), analyses_.end(), [](const analysis& x) { return x.crashes > 0; })
                || std::any_of(orders_.begin(), orders_.end(),
                               [](const auto& x) { return x.second.order.waiting_for_fresh() > 0; });
  if (!wanted || self_->clock().now() < fresh_expected_)
    return;
  auto comes = std::any_of(workers_.begin(), workers_.end(), [](const auto& x) {
    return x.second.renewing || (x.second.fresh && !x.second.where.on_demand && !x.second.drained && !x.second.task);
  });
  const auto found = std::ranges::find_if(idle_, [this](auto id) { return !on_demand_.contains(id); });
  if (comes || found == idle_.end())
    return;
  const auto id = *found;
  auto& who = workers_.at(id);
  who.renewing = true;
  note(id, who);
  self_->send(who.handle, renew_atom_v);
}

void dispatcher_state::assign(encoder_id id, worker& who, assignment task) {
  task.since = self_->clock().now();
  who.task = std::move(task);
  who.fresh = false;
  note(id, who);
}

void dispatcher_state::leave(encoder_id id, worker& who) {
  if (auto here = orders_.find(who.video); here != orders_.end())
    here->second.order.left(id);
  who.video.clear();
  who.run = 0;
}

/// False where it is the end of those that wait.
bool dispatcher_state::start(encoder_id id, worker& who, const std::deque<analysis>::iterator& next) {
  if (next == analyses_.end())
    return false;
  auto what = std::move(*next);
  analyses_.erase(next);
  leave(id, who);
  auto task = ++last_id_;
  auto request = what.task;
  assign(id, who, {task, request.source.video_hash, std::move(what)});
  const auto limit = config_.analyze_timeout + time_to_read(request.source);
  self_->request(who.handle, limit, analyze_atom_v, std::move(request))
      .then([this, id, task](const media::analysis& answer) { succeed(id, task, answer); },
            [this, id, task](const caf::error& problem) { fail(id, task, problem); });
  return true;
}

void dispatcher_state::start(encoder_id id, worker& who, video_order& x, const order::part& what) {
  const auto& video_hash = x.order.source().video_hash;
  const auto adjacent = x.order.stands_at(what, id);
  auto source = x.order.source();
  source.reading = x.order.is_early(what) ? x.order.reading() : 0;
  if (who.video != video_hash)
    leave(id, who);
  who.video = video_hash;
  who.run = adjacent ? who.run + 1 : 1;
  x.order.started(what, id);
  if (who.where.on_demand)
    x.order.left(id); // it does not go on from there, so the next segment is anybody's
  x.last_served = ++served_;
  const auto& cell = x.order.cell(what.index);
  auto task = ++last_id_;
  auto renditions = ids_of(x.order.plan(), what.renditions);
  spdlog::debug("encoder {}: segment {} of {} begins, renditions {:x}", id, cell.number, video_hash, what.renditions);
  assign(id, who, {task, video_hash, std::nullopt, x.generation, what, cell.number, false, false, source.reading});
  tell_running(video_hash);
  self_
      ->request(who.handle, config_.segment_timeout, encode_atom_v,
                segment_task{std::move(source), x.order.plan(), cell, std::move(renditions)})
      .then([this, id, task](const segment_result& answer) { succeed(id, task, answer); },
            [this, id, task](const caf::error& problem) { fail(id, task, problem); });
}

void dispatcher_state::tell_running(const std::string& video_hash) {
  if (auto found = orders_.find(video_hash); found != orders_.end())
    self_->send(found->second.listener, begin_atom_v, found->second.order.running_parts());
}

dispatcher_status dispatcher_state::status() const {
  dispatcher_status result;
  for (const auto& [id, who] : workers_) {
    encoder_status one;
    one.where = who.where;
    one.drained = who.drained;
    one.busy = who.task.has_value();
    if (who.task) {
      one.analyzing = who.task->analysis.has_value();
      one.video_hash = who.task->video_hash;
      one.segment = who.task->segment;
    }
    one.segments = who.segments;
    one.failures = who.failures;
    one.segments_per_second = who.rate.per_second().value_or(0);
    result.encoders.push_back(std::move(one));
  }
  result.jobs = static_cast<std::uint32_t>(orders_.size());
  for (const auto& [hash, x] : orders_)
    result.segments_waiting += static_cast<std::uint32_t>(x.order.waiting());
  return result;
}

dispatcher_impl::behavior_type dispatcher(dispatcher_state::pointer self, dispatcher_config config) {
  return self->state.make_behavior(std::move(config));
}

} // namespace vp
