#pragma once

#include "actors/data_folder.hpp"
#include "actors/interfaces.hpp"

#include <caf/all.hpp>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vp {

struct pipeline_config {
  std::filesystem::path data = "data";
  media::encode_settings settings;
  std::uint32_t encoders = 0;                            ///< 0: one a core
  std::uint32_t jobs = 0;                                ///< transcoded at the same time; 0: 2 an encoder, 4 at least
  std::uint64_t max_file_size = std::uint64_t{5} << 30U; ///< bytes
  std::uint64_t max_chunk_size = std::uint64_t{64} << 20U;
  std::uint32_t max_open_uploads = 1000;
  caf::timespan upload_expiry = std::chrono::hours(24 * 7);
  caf::timespan segment_timeout = std::chrono::seconds(300);
};

/// CAF as this program uses it.
class system_config : public caf::actor_system_config {
public:
  system_config();
};

/// All actors of one process, connected, over one data folder that it holds locked.
class pipeline {
public:
  /// Locks the folder, makes database and disk agree, and starts everybody. `conflict` when another process works
  /// there.
  static result<std::unique_ptr<pipeline>> start(caf::actor_system& system, const pipeline_config& config,
                                                 std::shared_ptr<prometheus::Registry> registry);

  pipeline(const pipeline&) = delete;
  pipeline& operator=(const pipeline&) = delete;
  ~pipeline();

  /// Takes no more jobs and puts back those in flight; at most `limit`.
  void drain(std::chrono::milliseconds limit);

  const catalog_actor& catalog() const { return catalog_; }
  const session_manager_actor& sessions() const { return sessions_; }
  const event_hub_actor& events() const { return events_; }
  const dispatcher_actor& dispatcher() const { return dispatcher_; }

private:
  pipeline(caf::actor_system& system, folder_lock lock) : system_(system), lock_(std::move(lock)) {}

  caf::actor_system& system_;
  folder_lock lock_; // first in, last out
  catalog_actor catalog_;
  event_hub_actor events_;
  job_queue_actor queue_;
  dispatcher_actor dispatcher_;
  job_manager_actor jobs_;
  session_manager_actor sessions_;
  caf::actor encoders_;
};

} // namespace vp
