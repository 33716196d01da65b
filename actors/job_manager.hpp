#pragma once

#include "actors/interfaces.hpp"
#include "actors/transcode_job.hpp"
#include "actors/transcode_metrics.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vp {

/// Starts the job of a video, or of an upload, whose session it gets then; the job tells the listener how it ended.
using job_starter = std::function<transcode_job_actor(const std::string& video_hash, const upload_session_actor& upload,
                                                      const finish_listener&)>;

struct job_manager_config {
  /// Jobs at once. More than there are encoders, so that one always has segments to give them.
  std::uint32_t concurrency = 4;
  /// Jobs of uploads at once, besides those.
  std::uint32_t previews = 4;
  /// Until a job is tried again whose video another process works on, that waits for its turn, or for an upload.
  caf::timespan busy_wait = std::chrono::seconds(2);
  /// Until a job is tried again that could not go on.
  caf::timespan put_back_wait = std::chrono::seconds(10);
  /// Until a job is tried again that ended without a word; doubled each time.
  caf::timespan crash_wait = std::chrono::seconds(5);
  caf::timespan longest_crash_wait = std::chrono::minutes(5);
  /// How long jobs may take to end in order when they are asked to.
  caf::timespan end_timeout = std::chrono::seconds(7);
  std::shared_ptr<transcode_metrics> metrics = std::make_shared<transcode_metrics>();
};

/// The manager's own interface: the time for an orderly end is up.
using job_manager_impl = job_manager_actor::extend<caf::reacts_to<tick_atom>>;

/// One transcode job a video, as many as there is credit for. Each delivery of the queue ends with one answer to it:
/// `ack` when there is nothing left to do, `dead` when the video can't be done, else `later`.
///
/// The job of an upload begins before there is a delivery. The one that comes when the upload is whole is answered when
/// that job ends.
class job_manager_state {
public:
  static constexpr const char* name = "job manager";
  using pointer = job_manager_impl::stateful_pointer<job_manager_state>;

  explicit job_manager_state(pointer self) : self_(self) {}
  ~job_manager_state();

  job_manager_impl::behavior_type make_behavior(job_manager_config config, job_queue_actor queue, job_starter start);

private:
  struct running_job {
    std::uint64_t id = 0; ///< the queue's; 0 while there is none
    transcode_job_actor actor;
    bool cancelled = false;
  };

  using running_jobs = std::map<std::string, running_job>;

  void start(const job& what);
  void preview(const std::string& video_hash, const upload_session_actor& upload);
  void run(const std::string& video_hash, std::uint64_t id, const upload_session_actor& upload);
  void pause_previews(const std::string& video_hash, caf::actor_clock::time_point until);
  void answer(std::uint64_t id, const job_outcome& outcome);
  void finish(const job_outcome& outcome);
  void handle_down(const caf::actor_addr& whom);
  caf::result<void> cancel(const std::string& video_hash);
  caf::result<void> drain();
  void drop_all();
  running_job remove(running_jobs::iterator which);
  void later(std::uint64_t id, caf::timespan wait, const std::string& why);

  pointer self_;
  job_manager_config config_;
  job_queue_actor queue_;
  job_starter start_;
  running_jobs running_;                         ///< by video
  std::map<std::string, std::uint32_t> crashes_; ///< in a row, by video
  /// When uploads whose jobs could do nothing may have one again; `max` is when they are whole.
  std::map<std::string, caf::actor_clock::time_point> no_preview_before_;
  std::vector<caf::response_promise> drainers_;
  bool draining_ = false;
};

job_manager_impl::behavior_type job_manager(job_manager_state::pointer self, job_manager_config config,
                                            job_queue_actor queue, job_starter start);

} // namespace vp
