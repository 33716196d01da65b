#include "actors/outbox_publisher.hpp"

#include "actors/error.hpp"
#include "actors/failpoint.hpp"
#include "actors/kafka_log.hpp"
#include "kafka/formats.hpp"
#include "kafka/topics.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace vp {

namespace {

constexpr std::chrono::seconds topics_limit{5};

} // namespace

outbox_publisher_impl::behavior_type outbox_publisher(outbox_publisher_state::pointer self,
                                                      outbox_publisher_config config) {
  return self->state.make_behavior(std::move(config));
}

outbox_publisher_impl::behavior_type outbox_publisher_state::make_behavior(outbox_publisher_config config) {
  config_ = std::move(config);
  self_->send(config_.catalog, listen_atom_v, caf::actor_cast<outbox_listener>(self_));
  self_->send(self_, tick_atom_v);
  return {
      [this](outbox_atom) { publish(); },
      [this](dead_atom, const refused_job& letter) { return bury(letter); },
      [this](status_atom) { return status(); },
      [this](tick_atom) {
        look_after_broker();
        publish();
        self_->delayed_send(self_, config_.poll, tick_atom_v);
      },
  };
}

// -- the broker -----------------------------------------------------------------------------------

void outbox_publisher_state::look_after_broker() {
  auto now = self_->clock().now();
  if (connected_ && now - probed_ < config_.probe_every)
    return;
  probed_ = now;
  if (!producer_) {
    auto opened = kafka::producer::open(config_.kafka, log_kafka);
    if (!opened)
      return lost_broker(opened.error().text);
    producer_.emplace(std::move(*opened));
  }
  auto cluster = producer_->probe(std::chrono::duration_cast<std::chrono::milliseconds>(config_.probe_limit));
  if (!cluster)
    return lost_broker(cluster.error().text);
  // Also those of a broker that lost its data; the consumer reads what is there.
  if (!connected_)
    if (auto topics = kafka::ensure_topics(config_.kafka, topics_limit); !topics)
      return lost_broker(topics.error().text);
  cluster_ = std::move(*cluster);
  if (!std::exchange(connected_, true))
    spdlog::info("kafka: connected to {}, cluster {}", config_.kafka.brokers, cluster_);
  detail_.clear();
  config_.metrics->kafka_connected.Set(1);
}

void outbox_publisher_state::lost_broker(const std::string& why) {
  if (std::exchange(connected_, false) || detail_ != why)
    spdlog::warn("kafka: {}; uploads go on, jobs and events wait", why);
  detail_ = why;
  // A new one asks anew which cluster that is. One that has heard of none yet may be about to be connected.
  if (!std::exchange(cluster_, {}).empty())
    producer_.reset();
  config_.metrics->kafka_connected.Set(0);
}

queue_status outbox_publisher_state::status() const {
  return {"kafka", connected_, detail_, unpublished_};
}

// -- rows -----------------------------------------------------------------------------------------

void outbox_publisher_state::publish() {
  if (std::exchange(asking_, true)) {
    again_ = true;
    return;
  }
  again_ = false;
  self_
      ->request(config_.catalog, config_.deadline, publish_atom_v, config_.owner, connected_ ? cluster_ : std::string{},
                config_.lease, config_.batch)
      .then(
          [this](const publication& next) {
            asking_ = false;
            send(next);
          },
          [this](const caf::error& problem) {
            asking_ = false; // the next tick tries again
            unpublished_ = 0;
            config_.metrics->unpublished.Set(0);
            if (auto why = from_caf(problem); why.code != errc::conflict)
              spdlog::warn("kafka: {}", why.text);
          });
}

void outbox_publisher_state::send(const publication& next) {
  unpublished_ = next.waiting;
  config_.metrics->unpublished.Set(static_cast<double>(unpublished_));
  if (next.rows.empty() || !connected_)
    return;
  failpoint("before-publish");
  const auto sent = write(next.rows);
  if (sent.problem)
    lost_broker(sent.problem->text);
  if (sent.acknowledged == 0)
    return;
  failpoint("before-mark");
  unpublished_ -= std::min<std::uint64_t>(unpublished_, sent.acknowledged);
  config_.metrics->unpublished.Set(static_cast<double>(unpublished_));
  mark(next.rows[sent.acknowledged - 1].id, unpublished_ > 0);
}

/// What is too large for the broker is written without its data, or nothing behind it would ever be read.
kafka::producer::outcome outbox_publisher_state::write(const std::vector<outbox_row>& rows) {
  std::vector<kafka::message> messages;
  messages.reserve(rows.size());
  for (const auto& row : rows)
    messages.push_back(to_message(row));
  std::size_t written = 0;
  while (true) {
    auto sent = producer_->send(std::span{messages}.subspan(written));
    for (std::size_t i = 0; i < sent.acknowledged; ++i)
      config_.metrics->published(messages[written++].topic).Increment();
    sent.acknowledged = written;
    if (!sent.problem || sent.problem->code != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || rows[written].data == "{}")
      return sent;
    auto row = rows[written];
    spdlog::error("kafka: the event {} of {} is written without its data, which is too large", row.id, row.video_hash);
    row.data = "{}";
    messages[written] = to_message(row);
  }
}

void outbox_publisher_state::mark(std::uint64_t up_to, bool more) {
  asking_ = true;
  auto marked = [this, more] {
    asking_ = false;
    if (more || again_)
      publish();
  };
  self_->request(config_.catalog, config_.deadline, publish_atom_v, config_.owner, up_to)
      .then(marked, [this](const caf::error& problem) {
        asking_ = false; // the next tick sends them once more
        spdlog::warn("kafka: {}", from_caf(problem).text);
      });
}

kafka::message outbox_publisher_state::to_message(const outbox_row& row) const {
  if (row.is_job)
    return {config_.kafka.jobs_topic,
            row.video_hash,
            kafka::job_value(row.video_hash, config_.folder.source(row.video_hash).string()),
            {}};
  return {config_.kafka.events_topic,
          row.video_hash,
          kafka::event_value(static_cast<std::int64_t>(row.id), row.video_hash, row.kind, row.data),
          {}};
}

caf::result<void> outbox_publisher_state::bury(const refused_job& letter) {
  if (!connected_)
    return to_caf(errc::overloaded, detail_);
  const auto message = kafka::to_message(
      {letter.key, letter.value, letter.reason, letter.attempts, letter.origin, letter.time, letter.size},
      config_.kafka.dead_topic());
  auto sent = producer_->send({&message, 1});
  if (sent.problem) {
    lost_broker(sent.problem->text);
    return to_caf(errc::overloaded, sent.problem->text);
  }
  return caf::unit;
}

} // namespace vp
