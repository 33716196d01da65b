#pragma once

#include "actors/catalog.hpp"
#include "actors/dispatcher.hpp"
#include "actors/embedded_queue.hpp"
#include "actors/error.hpp"
#include "actors/event_hub.hpp"
#include "actors/recover.hpp"
#include "actors/session_manager.hpp"
#include "http/server.hpp"
#include "tests/support/temporary_folder.hpp"

#include <caf/all.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vp::http {

/// A server with the actors that it asks, over a data folder of its own or one that it shares with others. Nothing is
/// transcoded: uploads end as `queued`.
class live_server {
public:
  using adjust = std::function<void(server_config&)>;

  explicit live_server(const adjust& change = {}, const std::filesystem::path& shared_data = {});
  ~live_server();

  std::uint16_t port() const { return port_; }
  const test::temporary_folder& folder() const { return folder_; }
  const std::filesystem::path& data() const { return config_.data_dir; }
  const std::string& url() const { return config_.url; }
  caf::actor_system& actors() { return system_; }
  const dispatcher_actor& dispatcher() const { return dispatcher_; }
  /// As a transcode job of the server at `url` would begin it.
  claimed_job claim(const std::string& hash, const std::string& url);
  /// The videos whose jobs here were asked to end.
  std::vector<std::string> cancelled() const;
  /// From now on the server has a job for every video.
  void begin_work();
  /// What viewers have asked that job for.
  struct wish {
    fragment_wish what;
    bool taken_back = false;
  };
  std::vector<wish> wishes() const;
  /// Grants them all, also those to come.
  void grant_wishes();
  /// As a transcode job asks an upload for its bytes.
  void want(const std::string& hash, const std::vector<media::byte_range>& ranges);
  /// As a transcode job would end it.
  void complete(const std::string& hash);
  void stop(std::chrono::milliseconds grace) { server_->stop(grace); }
  /// Waits until something is so, but not for ever.
  template <class Condition>
  static bool wait_until(Condition is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end)
        return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  /// Waits until so many connections are open.
  bool wait_for_connections(std::size_t wanted);
  double connections() const;

private:
  /// What the job manager was asked.
  struct job_log {
    std::mutex mutex;
    std::vector<std::string> cancelled;
    bool at_work = false;
    std::vector<wish> wishes; ///< a wish's number is its place
    std::vector<caf::response_promise> answers;
    bool granted = false;
  };
  static caf::behavior scripted_jobs(caf::event_based_actor* self, const std::shared_ptr<job_log>& log);

  /// The actors' system waits for them, so each is told.
  void end();

  struct actors_config : caf::actor_system_config {
    actors_config();
  };

  test::temporary_folder folder_;
  server_config config_;
  actors_config actors_config_;
  caf::actor_system system_{actors_config_};
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  catalog_actor catalog_;
  event_hub_actor events_;
  job_queue_actor queue_;
  dispatcher_actor dispatcher_;
  std::shared_ptr<job_log> job_log_ = std::make_shared<job_log>();
  job_manager_actor jobs_;
  session_manager_actor sessions_;
  std::uint16_t port_ = 0;
  std::unique_ptr<server> server_;
};

} // namespace vp::http
