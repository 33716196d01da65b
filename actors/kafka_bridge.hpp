#pragma once

#include "actors/interfaces.hpp"
#include "actors/job_consumers.hpp"
#include "actors/storage_metrics.hpp"
#include "kafka/consumer.hpp"
#include "kafka/offsets.hpp"
#include "kafka/settings.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vp {

struct kafka_bridge_config {
  catalog_actor catalog;
  outbox_publisher_actor publisher;
  kafka::settings kafka;
  caf::timespan poll = std::chrono::milliseconds(20);
  caf::timespan reopen = std::chrono::seconds(1);           ///< between tries to reach the broker
  caf::timespan reach_limit = std::chrono::seconds(3);      ///< of one try
  caf::timespan orphans_interval = std::chrono::minutes(1); ///< for videos with work to do and no job
  caf::timespan deadline = std::chrono::seconds(10);        ///< of a request
  caf::timespan pause = std::chrono::seconds(1);            ///< before a request that failed is made again
  std::size_t most_held = 1000;                             ///< messages that were read and have not ended
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The bridge's own interface: time to poll, time to look for orphans.
using kafka_bridge_impl = job_queue_actor::extend<caf::reacts_to<tick_atom>, caf::reacts_to<orphans_atom>>;

/// The job queue over Kafka: a member of the consumer group. Detached, for leaving the group blocks.
///
/// A message is held until its job has ended, and only then may its offset be committed, in order in each partition. So
/// whatever this process held when it ended is read again by whoever gets the partition. A job of any length keeps its
/// message; polling goes on all the while, with the partitions paused when enough is held.
///
/// A message that comes twice does nothing twice: while the first is held the second waits with it, and afterwards the
/// catalog says that there is nothing to do. What is no job of ours goes to the dead letters and never stops a
/// partition.
///
/// When a partition is taken away, jobs of it that run here go on: their claims are live, so that the next owner of the
/// messages waits, and then finds the video completed, or takes it over when the claim has lapsed.
class kafka_bridge_state {
public:
  static constexpr const char* name = "kafka_bridge";
  using pointer = kafka_bridge_impl::stateful_pointer<kafka_bridge_state>;

  explicit kafka_bridge_state(pointer self) : self_(self) {}

  kafka_bridge_impl::behavior_type make_behavior(kafka_bridge_config config);

private:
  using clock = caf::actor_clock::clock_type;

  enum class stage : std::uint8_t {
    waiting,  ///< for its time, or for somebody's credit
    checking, ///< the catalog is asked whether there is something to do
    in_hand,  ///< delivered
    burying,  ///< on its way to the dead letters
  };

  /// Messages of one video that were read and have not ended; or one that is no job, and has no video.
  struct held_job {
    std::string video_hash;
    std::vector<kafka::position> places; ///< of its messages in the topic, in the order of their arrival
    std::size_t taken = 0;               ///< of these, how many the delivery stands for
    stage at = stage::waiting;
    clock::time_point due{};
    caf::actor_addr consumer;
    kafka::record record;       ///< the first of its messages, for the dead letters
    std::uint32_t attempts = 0; ///< deliveries
    std::string refused;        ///< why it is one
  };
  using held_jobs = std::map<std::uint64_t, held_job>;

  void tick();
  bool open();
  void poll();
  void receive(kafka::record& record);
  void revoke(const std::vector<std::int32_t>& partitions, bool lost);
  void forget(const std::vector<std::int32_t>& partitions);
  void leave();
  void pace();
  void commit();

  void dispatch();
  void check(std::uint64_t id, held_job& which, const job_consumer& consumer);
  void checked(std::uint64_t id, const job_consumer& consumer, video_status status);
  void check_unknown(std::uint64_t id);
  void put_off(std::uint64_t id, caf::timespan wait);
  void give_up(std::uint64_t id, const std::string& reason);
  void bury(std::uint64_t id);
  void end(std::uint64_t id);
  void give_back(held_job& which);

  held_job* find(std::uint64_t id, stage at);

  pointer self_;
  kafka_bridge_config config_;
  std::optional<kafka::consumer> consumer_;
  clock::time_point reopen_at_{};
  kafka::offset_tracker offsets_;
  bool paused_ = false;
  job_consumers consumers_;
  held_jobs held_;
  std::uint64_t last_id_ = 0;
};

kafka_bridge_impl::behavior_type kafka_bridge(kafka_bridge_state::pointer self, kafka_bridge_config config);

} // namespace vp
