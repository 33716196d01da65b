#pragma once

#include "actors/data_folder.hpp"
#include "actors/interfaces.hpp"
#include "actors/storage_metrics.hpp"
#include "kafka/producer.hpp"
#include "kafka/settings.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace vp {

struct outbox_publisher_config {
  catalog_actor catalog;
  data_folder folder;
  kafka::settings kafka;
  std::string owner; ///< names this process
  /// Longer than a message may wait for the broker, so that nothing of a process that lost the lease comes late.
  caf::timespan lease = std::chrono::seconds(15);
  caf::timespan poll = std::chrono::seconds(1);        ///< for the lease, and for the broker where it was away
  caf::timespan probe_every = std::chrono::seconds(5); ///< while the broker answers
  caf::timespan probe_limit = std::chrono::seconds(1);
  caf::timespan deadline = std::chrono::seconds(10); ///< of a request to the catalog
  std::uint32_t batch = 200;                         ///< rows at a time
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The publisher's own interface: time to look after the broker and the lease.
using outbox_publisher_impl = outbox_publisher_actor::extend<caf::reacts_to<tick_atom>>;

/// Takes rows from the outbox in id order, sends them, waits until the broker has them, marks them: events to their
/// topic, jobs to theirs, the video's hash as the key of both. After an end in between the rows are sent again, so
/// readers may see an id twice, but never one behind a later one of the same video for the first time.
class outbox_publisher_state {
public:
  static constexpr const char* name = "outbox_publisher";
  using pointer = outbox_publisher_impl::stateful_pointer<outbox_publisher_state>;

  explicit outbox_publisher_state(pointer self) : self_(self) {}

  outbox_publisher_impl::behavior_type make_behavior(outbox_publisher_config config);

private:
  void look_after_broker();
  void publish();
  void send(const publication& next);
  void mark(std::uint64_t up_to, bool more);
  caf::result<void> bury(const refused_job& letter);
  kafka::producer::outcome write(const std::vector<outbox_row>& rows);
  kafka::message to_message(const outbox_row& row) const;
  void lost_broker(const std::string& why);
  queue_status status() const;

  pointer self_;
  outbox_publisher_config config_;
  std::optional<kafka::producer> producer_;
  bool connected_ = false;
  std::string detail_ = "Kafka has not answered yet"; ///< why not
  std::string cluster_;
  caf::actor_clock::clock_type::time_point probed_{};
  std::uint64_t unpublished_ = 0;
  bool asking_ = false; ///< the catalog for rows, or to mark them
  bool again_ = false;  ///< there are more by now
};

outbox_publisher_impl::behavior_type outbox_publisher(outbox_publisher_state::pointer self,
                                                      outbox_publisher_config config);

} // namespace vp
