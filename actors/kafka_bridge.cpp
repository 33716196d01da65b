#include "actors/kafka_bridge.hpp"

#include "actors/error.hpp"
#include "actors/failpoint.hpp"
#include "actors/kafka_log.hpp"
#include "actors/orphans.hpp"
#include "kafka/formats.hpp"
#include "kafka/topics.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>

namespace vp {

namespace {

std::chrono::milliseconds to_milliseconds(caf::timespan x) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(x);
}

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>; // clang 16 can't tell

} // namespace

kafka_bridge_impl::behavior_type kafka_bridge(kafka_bridge_state::pointer self, kafka_bridge_config config) {
  return self->state.make_behavior(std::move(config));
}

kafka_bridge_impl::behavior_type kafka_bridge_state::make_behavior(kafka_bridge_config config) {
  config_ = std::move(config);
  self_->set_down_handler([this](const caf::down_msg& down) {
    consumers_.remove(down.source);
    for (auto& [id, one] : held_)
      if (one.at == stage::in_hand && one.consumer == down.source)
        one.at = stage::waiting; // for whoever comes instead
  });
  self_->send(self_, tick_atom_v);
  self_->delayed_send(self_, config_.orphans_interval, orphans_atom_v);
  return {
      // What is new comes through the broker, from whoever publishes the outbox.
      [](outbox_atom) {},
      [](enqueue_atom, const std::string&) {},
      [this](subscribe_atom, const job_consumer& consumer, std::uint32_t credit) {
        if (consumers_.subscribe(consumer, credit))
          self_->monitor(consumer);
        dispatch();
      },
      [this](drain_atom, const job_consumer& consumer) { consumers_.drain(consumer); },
      [this](ack_atom, std::uint64_t id) {
        if (find(id, stage::in_hand)) {
          config_.metrics->queue("acked").Increment();
          end(id);
        }
      },
      [this](later_atom, std::uint64_t id, caf::timespan after, const std::string& reason) {
        if (auto* put = find(id, stage::in_hand)) {
          spdlog::debug("kafka: the job of {} is put off: {}", put->video_hash, reason);
          config_.metrics->queue("later").Increment();
          put_off(id, after);
        }
      },
      [this](dead_atom, std::uint64_t id, const std::string& reason) {
        if (find(id, stage::in_hand))
          give_up(id, reason);
      },
      [this](status_atom) { return self_->delegate(config_.publisher, status_atom_v); },
      [this](tick_atom) {
        tick();
        self_->delayed_send(self_, config_.poll, tick_atom_v);
      },
      [this](orphans_atom) {
        look_for_orphans(self_, config_.catalog, config_.deadline);
        self_->delayed_send(self_, config_.orphans_interval, orphans_atom_v);
      },
  };
}

kafka_bridge_state::held_job* kafka_bridge_state::find(std::uint64_t id, stage at) {
  auto found = held_.find(id);
  return found == held_.end() || found->second.at != at ? nullptr : &found->second;
}

// -- the topic ------------------------------------------------------------------------------------

void kafka_bridge_state::tick() {
  if (!consumer_ && !open())
    return;
  commit(); // what has ended meanwhile, before a poll that may take its partition away
  poll();
  dispatch();
  commit();
}

/// Joins the group, where the broker can be reached. The publisher says so where it can't.
bool kafka_bridge_state::open() {
  auto now = self_->clock().now();
  if (now < reopen_at_)
    return false;
  reopen_at_ = now + config_.reopen;
  // A consumer that subscribes first would wait minutes for a topic that somebody makes later.
  if (auto topics = kafka::ensure_topics(config_.kafka, to_milliseconds(config_.reach_limit)); !topics) {
    spdlog::debug("kafka: {}", topics.error().text);
    return false;
  }
  auto opened = kafka::consumer::open(config_.kafka, log_kafka);
  if (!opened) {
    spdlog::warn("kafka: {}", opened.error().text);
    return false;
  }
  consumer_.emplace(std::move(*opened));
  paused_ = false;
  return true;
}

void kafka_bridge_state::poll() {
  constexpr int most_at_once = 500;
  auto going = true;
  auto topic_is_gone = false;
  for (int i = 0; going && i < most_at_once; ++i) {
    pace();
    auto what = consumer_->poll(std::chrono::milliseconds::zero());
    std::visit(overloaded{
                   [&](std::monostate) { going = false; },
                   [&](kafka::record& record) { receive(record); },
                   [&](const kafka::assigned& now) {
                     if (!now.partitions.empty()) // others have yet to give them up
                       spdlog::info("kafka: partitions {} are ours", fmt::join(now.partitions, ", "));
                   },
                   [&](const kafka::revoked& gone) { revoke(gone.partitions, gone.lost); },
                   [&](const kafka::error& problem) {
                     spdlog::warn("kafka: {}", problem.text);
                     topic_is_gone = topic_is_gone || problem.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
                   },
               },
               what);
  }
  if (topic_is_gone)
    leave();
}

/// Begins anew, as with a broker that was never seen before: it lost its data.
void kafka_bridge_state::leave() {
  consumer_->forget_commits();
  consumer_.reset();
  offsets_ = {};
  for (auto& [id, one] : held_) {
    one.places.clear();
    one.taken = 0;
  }
  std::erase_if(held_, [](const auto& one) { return one.second.at == stage::waiting && one.second.refused.empty(); });
}

void kafka_bridge_state::receive(kafka::record& record) {
  if (offsets_.restarts(record.at))
    forget({record.at.partition});
  offsets_.began(record.at);
  auto job = kafka::parse_job(record.value.value_or(""));
  if (job) {
    auto known = std::find_if(held_.begin(), held_.end(),
                              [&](const auto& one) { return one.second.video_hash == job->video_hash; });
    if (known != held_.end()) {
      known->second.places.push_back(record.at);
      return;
    }
  }
  held_job held;
  held.video_hash = job ? job->video_hash : std::string{};
  held.places = {record.at};
  held.record = std::move(record);
  auto id = ++last_id_;
  held_.emplace(id, std::move(held));
  if (!job)
    give_up(id, job.error());
}

/// Nothing of these partitions is ours to commit any more.
void kafka_bridge_state::revoke(const std::vector<std::int32_t>& partitions, bool lost) {
  spdlog::info("kafka: partitions {} are {}", fmt::join(partitions, ", "), lost ? "lost" : "given to another server");
  forget(partitions);
}

void kafka_bridge_state::forget(const std::vector<std::int32_t>& partitions) {
  for (auto partition : partitions)
    offsets_.forget(partition);
  auto is_gone = [&](const kafka::position& x) {
    return std::find(partitions.begin(), partitions.end(), x.partition) != partitions.end();
  };
  for (auto each = held_.begin(); each != held_.end();) {
    auto& [id, one] = *each;
    auto first_rest = one.places.begin() + static_cast<std::ptrdiff_t>(one.taken);
    one.taken -= static_cast<std::size_t>(std::count_if(one.places.begin(), first_rest, is_gone));
    std::erase_if(one.places, is_gone);
    each = one.places.empty() && one.at == stage::waiting ? held_.erase(each) : std::next(each);
  }
}

/// Holds no more than it should: the rest waits at the broker, where another server may get it. Polling goes on, or the
/// group would take this process for dead.
void kafka_bridge_state::pace() {
  const auto held = offsets_.running();
  if (!paused_ && held >= config_.most_held) {
    paused_ = true;
    consumer_->pause();
  } else if (paused_ && held <= config_.most_held / 2) {
    paused_ = false;
    consumer_->resume();
  }
  config_.metrics->jobs_in_hand.Set(static_cast<double>(held_.size()));
}

void kafka_bridge_state::commit() {
  auto due = offsets_.take();
  if (due.empty() || !consumer_)
    return;
  failpoint("before-commit");
  consumer_->commit(due);
}

// -- jobs -----------------------------------------------------------------------------------------

void kafka_bridge_state::dispatch() {
  auto now = self_->clock().now();
  auto has_credit = true;
  for (auto& [id, one] : held_) {
    if (one.at != stage::waiting || one.due > now)
      continue;
    if (!one.refused.empty()) {
      bury(id);
      continue;
    }
    if (!has_credit)
      continue;
    if (auto consumer = consumers_.take_credit())
      check(id, one, *consumer);
    else
      has_credit = false;
  }
}

/// Asks the catalog before anybody starts: most messages that come again have nothing to say.
void kafka_bridge_state::check(std::uint64_t id, held_job& which, const job_consumer& consumer) {
  which.at = stage::checking;
  which.taken = which.places.size();
  which.consumer = consumer.address();
  self_->request(config_.catalog, config_.deadline, get_atom_v, which.video_hash)
      .then([this, id, consumer](const video& known) { checked(id, consumer, known.status); },
            [this, id](const caf::error& problem) {
              auto why = from_caf(problem);
              if (why.code == errc::not_found) {
                check_unknown(id);
                return;
              }
              spdlog::warn("kafka: {}", why.text);
              put_off(id, config_.pause);
            });
}

void kafka_bridge_state::checked(std::uint64_t id, const job_consumer& consumer, video_status status) {
  auto* which = find(id, stage::checking);
  if (!which)
    return;
  auto work_to_do = status == video_status::queued || status == video_status::processing;
  if (!work_to_do || which->places.empty()) {
    end(id);
    return;
  }
  which->at = stage::in_hand;
  ++which->attempts;
  config_.metrics->queue("delivered").Increment();
  self_->send(consumer, deliver_atom_v, job{id, which->video_hash});
}

/// A video that somebody deleted is nobody's mistake.
void kafka_bridge_state::check_unknown(std::uint64_t id) {
  auto* which = find(id, stage::checking);
  if (!which)
    return;
  constexpr std::uint32_t all_of_one_video = 10'000;
  self_
      ->request(config_.catalog, config_.deadline, events_atom_v, std::uint64_t{0}, which->video_hash, all_of_one_video)
      .then(
          [this, id](const std::vector<event>& story) {
            if (!find(id, stage::checking))
              return;
            if (!story.empty() && story.back().kind == "deleted")
              end(id);
            else
              give_up(id, "there is no such video");
          },
          [this, id](const caf::error& problem) {
            spdlog::warn("kafka: {}", from_caf(problem).text);
            put_off(id, config_.pause);
          });
}

void kafka_bridge_state::give_back(held_job& which) {
  if (which.at == stage::checking || which.at == stage::in_hand)
    consumers_.give_back(which.consumer);
  which.consumer = {};
}

void kafka_bridge_state::put_off(std::uint64_t id, caf::timespan wait) {
  auto found = held_.find(id);
  if (found == held_.end())
    return;
  auto& which = found->second;
  give_back(which);
  if (which.places.empty()) {
    held_.erase(found); // its partition is another server's by now
    return;
  }
  which.at = stage::waiting;
  which.taken = 0;
  which.due = self_->clock().now() + wait;
  dispatch();
}

void kafka_bridge_state::give_up(std::uint64_t id, const std::string& reason) {
  auto& which = held_.at(id);
  give_back(which);
  which.taken = which.at == stage::waiting ? which.places.size() : which.taken;
  which.at = stage::waiting;
  which.refused = reason;
  bury(id);
}

/// To the dead letters; only when the broker has it there is the message done with.
void kafka_bridge_state::bury(std::uint64_t id) {
  auto& which = held_.at(id);
  which.at = stage::burying;
  auto again = [this, id](const caf::error& problem) {
    auto found = held_.find(id);
    if (found == held_.end())
      return;
    spdlog::debug("kafka: {}", from_caf(problem).text);
    found->second.at = stage::waiting;
    found->second.due = self_->clock().now() + config_.pause;
  };
  auto letter = kafka::to_dead_letter(which.record, which.refused, which.attempts);
  refused_job refused{letter.key,      letter.value,  letter.original_size, letter.reason,
                      letter.attempts, letter.origin, letter.time};
  auto buried = [this, id, origin = letter.origin, reason = letter.reason] {
    spdlog::warn("kafka: the message {} is a dead letter: {}", origin, reason);
    config_.metrics->queue("dead").Increment();
    end(id);
  };
  self_->request(config_.publisher, config_.deadline, dead_atom_v, std::move(refused)).then(buried, again);
}

/// The messages that this delivery stood for are done with. One that came later may speak of something new.
void kafka_bridge_state::end(std::uint64_t id) {
  auto node = held_.extract(id);
  auto& which = node.mapped();
  give_back(which);
  auto rest = which.places.begin() + static_cast<std::ptrdiff_t>(which.taken);
  std::for_each(which.places.begin(), rest, [this](const kafka::position& x) { offsets_.ended(x); });
  if (rest != which.places.end()) {
    held_job next;
    next.video_hash = which.video_hash;
    next.places = {rest, which.places.end()};
    next.record = std::move(which.record);
    held_.emplace(++last_id_, std::move(next));
  }
  dispatch();
}

} // namespace vp
