#include "actors/embedded_queue.hpp"

#include "actors/error.hpp"
#include "actors/orphans.hpp"

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
      [this](drain_atom, const job_consumer& consumer) { consumers_.drain(consumer); },
      [this](ack_atom, std::uint64_t id) { end(id, acked{}); },
      [this](later_atom, std::uint64_t id, caf::timespan after, const std::string& reason) {
        end(id, put_off{after, reason});
      },
      [this](dead_atom, std::uint64_t id, const std::string& reason) { end(id, given_up{reason}); },
      [](status_atom) {
        return queue_status{"embedded", true, {}, 0};
      },
      [this](tick_atom) {
        for (auto& [id, one] : in_hand_)
          if (one.ended)
            tell_catalog(id);
        pull();
        self_->delayed_send(self_, config_.poll, tick_atom_v);
      },
      [this](orphans_atom) {
        look_for_orphans(self_, config_.catalog, config_.deadline);
        self_->delayed_send(self_, config_.orphans_interval, orphans_atom_v);
      },
  };
}

// -- consumers ------------------------------------------------------------------------------------

void embedded_queue_state::subscribe(const job_consumer& consumer, std::uint32_t credit) {
  if (consumers_.subscribe(consumer, credit))
    self_->monitor(consumer);
  pull();
}

/// What it held can be delivered again; what it had ended stays ended.
void embedded_queue_state::consumer_down(const caf::actor_addr& consumer) {
  consumers_.remove(consumer);
  std::erase_if(in_hand_, [&](auto& one) { return !one.second.ended && one.second.consumer == consumer; });
  config_.metrics->jobs_in_hand.Set(static_cast<double>(in_hand_.size()));
  pull();
}

// -- deliveries -----------------------------------------------------------------------------------

void embedded_queue_state::pull() {
  auto wanted = consumers_.free_credit();
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
    auto consumer = consumers_.take_credit();
    if (!consumer)
      return;
    in_hand_.emplace(one.id, delivery{one.video_hash, consumer->address(), false, false, acked{}});
    config_.metrics->queue("delivered").Increment();
    config_.metrics->jobs_in_hand.Set(static_cast<double>(in_hand_.size()));
    self_->send(*consumer, deliver_atom_v, one);
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
  consumers_.give_back(ended.consumer);
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

} // namespace vp
