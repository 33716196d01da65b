#include "actors/embedded_queue.hpp"

#include "actors/error.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vp {

embedded_queue_impl::behavior_type embedded_queue(embedded_queue_state::pointer self, embedded_queue_config config) {
  return self->state.make_behavior(std::move(config));
}

embedded_queue_impl::behavior_type embedded_queue_state::make_behavior(embedded_queue_config config) {
  config_ = std::move(config);
  self_->set_down_handler([this](const caf::down_msg& down) { consumer_down(down.source); });
  self_->send(config_.catalog, listen_atom_v, caf::actor_cast<outbox_listener>(self_));
  self_->delayed_send(self_, config_.poll, tick_atom_v);
  self_->delayed_send(self_, config_.orphans_interval, orphans_atom_v);
  return {
      [this](outbox_atom) { pull(); },
      [this](enqueue_atom, const std::string&) { pull(); },
      [this](subscribe_atom, const job_consumer& consumer, std::uint32_t credit) { subscribe(consumer, credit); },
      [this](drain_atom, const job_consumer& consumer) { drain(consumer); },
      [this](ack_atom, std::uint64_t id) { end(id, acked{}); },
      [this](later_atom, std::uint64_t id, caf::timespan after, const std::string& reason) {
        end(id, put_off{after, reason});
      },
      [this](dead_atom, std::uint64_t id, const std::string& reason) { end(id, given_up{reason}); },
      [this](tick_atom) {
        for (auto& [id, one] : in_hand_)
          if (one.ended)
            tell_catalog(id);
        pull();
        self_->delayed_send(self_, config_.poll, tick_atom_v);
      },
      [this](orphans_atom) {
        look_for_orphans();
        self_->delayed_send(self_, config_.orphans_interval, orphans_atom_v);
      },
  };
}

// -- consumers ------------------------------------------------------------------------------------

embedded_queue_state::subscription* embedded_queue_state::find(const caf::actor_addr& consumer) {
  auto found = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                            [&](auto& one) { return one.consumer.address() == consumer; });
  return found == subscriptions_.end() ? nullptr : &*found;
}

void embedded_queue_state::subscribe(const job_consumer& consumer, std::uint32_t credit) {
  if (auto* known = find(consumer.address())) {
    known->credit = credit;
  } else {
    self_->monitor(consumer);
    subscriptions_.push_back({consumer, credit, 0});
  }
  pull();
}

void embedded_queue_state::drain(const job_consumer& consumer) {
  if (auto* known = find(consumer.address()))
    known->credit = 0;
}

/// What it held can be delivered again; what it had ended stays ended.
void embedded_queue_state::consumer_down(const caf::actor_addr& consumer) {
  std::erase_if(subscriptions_, [&](auto& one) { return one.consumer.address() == consumer; });
  std::erase_if(in_hand_, [&](auto& one) { return !one.second.ended && one.second.consumer == consumer; });
  config_.metrics->jobs_in_hand.Set(static_cast<double>(in_hand_.size()));
  pull();
}

std::uint32_t embedded_queue_state::free_credit() const {
  std::uint32_t sum = 0;
  for (auto& one : subscriptions_)
    sum += one.credit > one.in_hand ? one.credit - one.in_hand : 0;
  return sum;
}

// -- deliveries -----------------------------------------------------------------------------------

void embedded_queue_state::pull() {
  auto wanted = free_credit();
  if (wanted == 0)
    return;
  if (std::exchange(pulling_, true)) {
    pull_again_ = true;
    return;
  }
  pull_again_ = false;
  // The oldest of those that are due may be the ones in hand.
  auto limit = wanted + static_cast<std::uint32_t>(in_hand_.size());
  self_->request(config_.catalog, config_.deadline, jobs_atom_v, limit)
      .then(
          [this](const std::vector<job>& due) {
            pulling_ = false;
            deliver(due);
            if (pull_again_)
              pull();
          },
          [this](const caf::error& problem) {
            pulling_ = false; // the next poll tries again
            spdlog::warn("queue: {}", from_caf(problem).text);
          });
}

void embedded_queue_state::deliver(const std::vector<job>& due) {
  for (auto& one : due) {
    auto taken = std::any_of(in_hand_.begin(), in_hand_.end(), [&](auto& held) {
      return held.first == one.id || held.second.video_hash == one.video_hash;
    });
    if (taken)
      continue;
    // Whoever holds the least, so that several share the work.
    auto free = [](const subscription& x) { return x.credit > x.in_hand; };
    auto best = subscriptions_.end();
    for (auto each = subscriptions_.begin(); each != subscriptions_.end(); ++each)
      if (free(*each) && (best == subscriptions_.end() || each->in_hand < best->in_hand))
        best = each;
    if (best == subscriptions_.end())
      return;
    ++best->in_hand;
    in_hand_.emplace(one.id, delivery{one.video_hash, best->consumer.address(), false, false, acked{}});
    config_.metrics->queue("delivered").Increment();
    config_.metrics->jobs_in_hand.Set(static_cast<double>(in_hand_.size()));
    self_->send(best->consumer, deliver_atom_v, one);
  }
}

void embedded_queue_state::end(std::uint64_t id, ending how) {
  auto found = in_hand_.find(id);
  // Said again, or about a job of an earlier process: then only the catalog may know it.
  if (found == in_hand_.end())
    found = in_hand_.emplace(id, delivery{}).first;
  auto& ended = found->second;
  if (std::exchange(ended.ended, true))
    return;
  ended.how = std::move(how);
  if (auto* holder = find(ended.consumer); holder && holder->in_hand > 0)
    --holder->in_hand;
  tell_catalog(id);
  pull();
}

void embedded_queue_state::tell_catalog(std::uint64_t id) {
  auto& ended = in_hand_.at(id);
  if (std::exchange(ended.telling, true))
    return;
  auto told = [this, id](const char* what) {
    return [this, id, what] {
      config_.metrics->queue(what).Increment();
      in_hand_.erase(id);
      config_.metrics->jobs_in_hand.Set(static_cast<double>(in_hand_.size()));
      pull();
    };
  };
  auto failed = [this, id](const caf::error& problem) {
    in_hand_.at(id).telling = false; // the next poll tells it again
    spdlog::warn("queue: {}", from_caf(problem).text);
  };
  const auto& catalog = config_.catalog;
  auto deadline = config_.deadline;
  if (std::holds_alternative<acked>(ended.how))
    self_->request(catalog, deadline, ack_atom_v, id).then(told("acked"), failed);
  else if (auto* off = std::get_if<put_off>(&ended.how))
    self_->request(catalog, deadline, later_atom_v, id, off->after, off->reason).then(told("later"), failed);
  else
    self_->request(catalog, deadline, dead_atom_v, id, std::get<given_up>(ended.how).reason).then(told("dead"), failed);
}

void embedded_queue_state::look_for_orphans() {
  self_->request(config_.catalog, config_.deadline, orphans_atom_v)
      .then(
          [](std::uint32_t count) {
            if (count > 0)
              spdlog::info("queue: {} videos had work to do and no job", count);
          },
          [](const caf::error& problem) { spdlog::warn("queue: {}", from_caf(problem).text); });
}

} // namespace vp
