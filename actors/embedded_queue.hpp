#pragma once

#include "actors/interfaces.hpp"
#include "actors/job_consumers.hpp"
#include "actors/storage_metrics.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace vp {

struct embedded_queue_config {
  catalog_actor catalog;
  caf::timespan poll = std::chrono::seconds(2);             ///< for jobs that have become due
  caf::timespan orphans_interval = std::chrono::minutes(1); ///< for videos with work to do and no job
  caf::timespan deadline = std::chrono::seconds(10);        ///< of a request to the catalog
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The queue's own interface: time to poll, time to look for orphans.
using embedded_queue_impl = job_queue_actor::extend<caf::reacts_to<tick_atom>, caf::reacts_to<orphans_atom>>;

/// The job queue of a server by itself: the outbox is the queue, and this actor remembers only what is in whose hands.
/// A job leaves the outbox when it is acknowledged, so that what was in the hands of a process that ended is delivered
/// again; two jobs of one video are never in hand at the same time.
class embedded_queue_state {
public:
  static constexpr const char* name = "embedded_queue";
  using pointer = embedded_queue_impl::stateful_pointer<embedded_queue_state>;

  explicit embedded_queue_state(pointer self) : self_(self) {}

  embedded_queue_impl::behavior_type make_behavior(embedded_queue_config config);

private:
  /// How a job ended.
  struct acked {};
  struct put_off {
    caf::timespan after;
    std::string reason;
  };
  struct given_up {
    std::string reason;
  };
  using ending = std::variant<acked, put_off, given_up>;

  /// A job that was delivered. It stays in hand until the catalog knows how it ended.
  struct delivery {
    std::string video_hash;
    caf::actor_addr consumer;
    bool ended = false;   ///< its credit is given back
    bool telling = false; ///< the catalog is being told
    ending how;
  };

  void subscribe(const job_consumer& consumer, std::uint32_t credit);
  void consumer_down(const caf::actor_addr& consumer);
  void pull();
  void deliver(const std::vector<job>& due);
  void end(std::uint64_t id, ending how);
  void tell_catalog(std::uint64_t id);

  pointer self_;
  embedded_queue_config config_;
  job_consumers consumers_;
  std::map<std::uint64_t, delivery> in_hand_;
  bool pulling_ = false;
  bool pull_again_ = false;
};

embedded_queue_impl::behavior_type embedded_queue(embedded_queue_state::pointer self, embedded_queue_config config);

} // namespace vp
