#pragma once

#include "actors/data_folder.hpp"
#include "actors/node_interfaces.hpp"
#include "kafka/settings.hpp"
#include "nodes/passes.hpp"

#include <caf/all.hpp>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vp {

struct dispatcher_config;
class storage_metrics;

struct pipeline_config {
  std::filesystem::path data = "data";
  std::string url; ///< where other processes of the same data folder reach this one
  media::encode_settings settings;
  std::uint32_t encoders = 0;                            ///< in this process, for tests; workers come to the gate
  std::map<std::string, std::string> versions;           ///< that a worker must have: those of `media::versions`
  std::shared_ptr<const nodes::passes> passes;           ///< that a worker must show one of; null lets none in
  std::uint32_t jobs = 32;                               ///< videos that share the encoders at the same time
  std::uint64_t max_file_size = std::uint64_t{5} << 30U; ///< bytes
  std::uint64_t max_chunk_size = std::uint64_t{64} << 20U;
  std::uint32_t max_open_uploads = 1000;
  caf::timespan upload_expiry = std::chrono::hours(24 * 7);
  caf::timespan segment_timeout = std::chrono::seconds(300);
  /// The queue and the event log are Kafka's, and other processes may work in the same data folder.
  std::optional<kafka::settings> kafka;
  /// Called from another thread when an actor that everything hangs on has ended by itself: the process should end.
  std::function<void()> on_failure = [] {};
};

/// CAF as this program uses it.
class system_config : public caf::actor_system_config {
public:
  system_config();
};

/// All actors of one process, connected, over one data folder that it holds locked: alone with the embedded queue, with
/// others of its kind with Kafka.
class pipeline {
public:
  /// Locks the folder, makes database and disk agree, and starts everybody. `conflict` when another process works
  /// there.
  static result<std::unique_ptr<pipeline>> start(caf::actor_system& system, const pipeline_config& config,
                                                 const std::shared_ptr<prometheus::Registry>& registry);

  pipeline(const pipeline&) = delete;
  pipeline& operator=(const pipeline&) = delete;
  /// Ends all actors and waits for them: the folder's lock is held until nobody writes any more.
  ~pipeline();

  /// Takes no more jobs and puts back those in flight; at most `limit`.
  void drain(std::chrono::milliseconds limit);

  const catalog_actor& catalog() const { return catalog_; }
  const session_manager_actor& sessions() const { return sessions_; }
  const event_hub_actor& events() const { return events_; }
  const job_queue_actor& queue() const { return queue_; }
  const job_manager_actor& jobs() const { return jobs_; }
  const dispatcher_actor& dispatcher() const { return dispatcher_; }
  const node_gate_actor& gate() const { return gate_; }

private:
  pipeline(caf::actor_system& system, folder_lock lock);

  void start_encoders(const pipeline_config& config, const dispatcher_config& dispatch);
  void start_queue(const pipeline_config& config, const data_folder& folder,
                   const std::shared_ptr<storage_metrics>& metrics);

  /// The actors that everything hangs on, by name.
  std::map<caf::actor_addr, std::string> core() const;

  caf::actor_system& system_;
  folder_lock lock_;  // declared before all who write there
  std::string owner_; ///< names this process among all that ever worked here
  catalog_actor catalog_;
  event_hub_actor events_;
  outbox_publisher_actor publisher_; ///< with Kafka
  job_queue_actor queue_;
  dispatcher_actor dispatcher_;
  node_gate_actor gate_;
  source_reader_actor reader_;
  job_manager_actor jobs_;
  session_manager_actor sessions_;
  caf::actor encoders_; ///< in this process, where there are any
  caf::actor watcher_;
};

} // namespace vp
