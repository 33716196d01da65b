#include "actors/event_hub.hpp"

#include "actors/error.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace vp {

event_hub_impl::behavior_type event_hub(event_hub_state::pointer self, event_hub_config config) {
  return self->state.make_behavior(std::move(config));
}

event_hub_impl::behavior_type event_hub_state::make_behavior(event_hub_config config) {
  config_ = std::move(config);
  self_->send(config_.catalog, listen_atom_v, caf::actor_cast<outbox_listener>(self_));
  start();
  return {
      [this](outbox_atom) { read(); },
      [this](next_atom, std::uint64_t above, const std::string& hash, std::uint32_t limit) {
        return next(above, hash, limit);
      },
      [this](last_atom) -> caf::result<std::uint64_t> {
        if (started_)
          return newest_;
        auto promise = self_->make_response_promise<std::uint64_t>();
        self_->request(config_.catalog, config_.deadline, last_atom_v)
            .then([promise](std::uint64_t id) mutable { promise.deliver(id); },
                  [promise](const caf::error& problem) mutable { promise.deliver(to_caf(from_caf(problem))); });
        return promise;
      },
      [this](tick_atom, std::uint64_t id) {
        if (auto node = readers_.extract(id); !node.empty())
          node.mapped().answer.deliver(std::vector<event>{});
      },
      [this](tick_atom) { started_ ? read() : start(); },
  };
}

/// The ring begins after the newest event that there is now.
void event_hub_state::start() {
  self_->request(config_.catalog, config_.deadline, last_atom_v)
      .then(
          [this](std::uint64_t id) {
            if (started_)
              return;
            floor_ = newest_ = id;
            started_ = true;
            serve_all();
            read();
          },
          [this](const caf::error& problem) {
            spdlog::warn("events: {}", from_caf(problem).text);
            self_->delayed_send(self_, config_.pause, tick_atom_v);
          });
}

void event_hub_state::read() {
  if (!started_)
    return;
  if (std::exchange(reading_, true)) {
    read_again_ = true;
    return;
  }
  read_again_ = false;
  self_->request(config_.catalog, config_.deadline, events_atom_v, newest_, std::string{}, config_.batch)
      .then(
          [this](std::vector<event>& found) {
            reading_ = false;
            auto full = found.size() >= config_.batch;
            append(std::move(found));
            if (full || read_again_)
              read();
          },
          [this](const caf::error& problem) {
            reading_ = false;
            spdlog::warn("events: {}", from_caf(problem).text);
            self_->delayed_send(self_, config_.pause, tick_atom_v);
          });
}

void event_hub_state::append(std::vector<event>&& found) {
  if (found.empty())
    return;
  for (auto& one : found) {
    config_.metrics->events(one.kind).Increment();
    newest_ = one.id;
    ring_.push_back(std::move(one));
  }
  // Before the oldest go, for a reader at the end of the ring must not miss them.
  serve_all();
  while (ring_.size() > config_.ring) {
    floor_ = ring_.front().id;
    ring_.pop_front();
  }
}

caf::result<std::vector<event>> event_hub_state::next(std::uint64_t above, const std::string& hash,
                                                      std::uint32_t limit) {
  if (readers_.size() >= config_.max_readers)
    return to_caf(errc::overloaded, "too many wait for events");
  reader who;
  who.above = above;
  who.hash = hash;
  who.limit = std::clamp(limit, 1U, config_.batch);
  who.answer = self_->make_response_promise<std::vector<event>>();
  auto promise = who.answer;
  auto id = next_reader_++;
  if (!started_ || !serve(who, id)) {
    readers_.emplace(id, std::move(who));
    self_->delayed_send(self_, config_.idle, tick_atom_v, id);
  }
  return promise;
}

/// Answers a reader if there is something for it; else it waits, or the catalog is asked on its behalf.
bool event_hub_state::serve(reader& who, std::uint64_t id) {
  if (who.looking)
    return false;
  if (who.above < floor_) {
    look_up(who, id);
    return false;
  }
  auto found = from_ring(who);
  if (found.empty()) {
    // Nothing for it up to here: the floor may rise. An id that was never given out means the newest one.
    who.above = newest_;
    return false;
  }
  who.answer.deliver(std::move(found));
  return true;
}

void event_hub_state::look_up(reader& who, std::uint64_t id) {
  who.looking = true;
  self_->request(config_.catalog, config_.deadline, events_atom_v, who.above, who.hash, who.limit)
      .then(
          [this, id, floor = floor_](std::vector<event>& found) {
            auto waiting = readers_.find(id);
            if (waiting == readers_.end())
              return;
            auto& waiter = waiting->second;
            waiter.looking = false;
            if (!found.empty()) {
              waiter.answer.deliver(std::move(found));
              readers_.erase(waiting);
              return;
            }
            // There is nothing up to where the ring began when the catalog was asked.
            waiter.above = std::max(waiter.above, floor);
            if (serve(waiter, id))
              readers_.erase(waiting);
          },
          [this, id](const caf::error& problem) {
            if (auto node = readers_.extract(id); !node.empty())
              node.mapped().answer.deliver(to_caf(from_caf(problem)));
          });
}

void event_hub_state::serve_all() {
  for (auto each = readers_.begin(); each != readers_.end();)
    each = serve(each->second, each->first) ? readers_.erase(each) : std::next(each);
}

std::vector<event> event_hub_state::from_ring(const reader& who) const {
  auto from = std::upper_bound(ring_.begin(), ring_.end(), who.above,
                               [](std::uint64_t id, const event& one) { return id < one.id; });
  std::vector<event> found;
  for (; from != ring_.end() && found.size() < who.limit; ++from)
    if (who.hash.empty() || from->video_hash == who.hash)
      found.push_back(*from);
  return found;
}

} // namespace vp
