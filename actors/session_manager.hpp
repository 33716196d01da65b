#pragma once

#include "actors/data_folder.hpp"
#include "actors/file.hpp"
#include "actors/interfaces.hpp"
#include "actors/storage_metrics.hpp"
#include "actors/upload_session.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace vp {

/// What an upload may be.
struct upload_limits {
  std::uint64_t max_file_size = std::uint64_t{5} << 30;
  std::uint64_t max_chunk_size = std::uint64_t{64} << 20;
  std::uint32_t max_chunks = 100'000;
  std::size_t max_title = 500; ///< bytes, as are the others
  std::size_t max_description = 5000;
  std::size_t max_mime_type = 255;
  std::size_t max_fingerprint = 256;
};

struct session_manager_config {
  catalog_actor catalog;
  job_queue_actor queue;
  job_manager_actor jobs; ///< asked to end a deleted video's job
  data_folder folder;
  upload_limits limits;
  std::uint64_t headroom = std::uint64_t{64} << 20; ///< bytes that an upload must leave free on the disk
  std::size_t max_sessions = 64;                    ///< each a thread
  caf::timespan session_idle = std::chrono::seconds(10);
  caf::timespan ticket_timeout = std::chrono::seconds(60);
  /// An upload that nothing arrives for is forgotten after so long; how often that is looked at.
  caf::timespan upload_expiry = std::chrono::hours(24 * 7);
  caf::timespan expiry_interval = std::chrono::minutes(10);
  caf::timespan deadline = std::chrono::seconds(15); ///< of a request to the catalog
  caf::timespan cancel_deadline = std::chrono::seconds(30);
  /// Other processes work in the same folder.
  bool shared = false;
  /// Threads of their own for what blocks. Only tests of simulated time do without.
  bool detached = true;
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// `invalid_request` or `too_large`, in words for the uploader.
result<void> check(const upload_request& request, const upload_limits& limits);

/// The name of a video: the same file, cut the same way, is the same upload. 64 hex digits of a BLAKE2b hash.
std::string video_hash(const upload_request& request);

/// Removes the folders that were taken out of sight and answers when they are gone: large ones take a while.
using remover_actor = caf::typed_actor<caf::replies_to<remove_atom>::with<void>>;

/// The session manager's own interface: time to look for abandoned uploads.
using session_manager_impl = session_manager_actor::extend<caf::reacts_to<tick_atom>>;

/// Begins uploads, hands out their sessions, and removes videos. A video that is being removed can't be begun again
/// before its folder is out of the way.
class session_manager_state {
public:
  static constexpr const char* name = "session_manager";
  using pointer = session_manager_impl::stateful_pointer<session_manager_state>;

  explicit session_manager_state(pointer self) : self_(self) {}
  session_manager_state(const session_manager_state&) = delete;
  session_manager_state& operator=(const session_manager_state&) = delete;
  ~session_manager_state();

  session_manager_impl::behavior_type make_behavior(session_manager_config config);

private:
  using session_promise = caf::typed_response_promise<upload_session_actor>;

  struct live_session {
    upload_session_actor actor;
    file source; ///< as it was when the session began; not open if there was none
  };

  /// A video on its way out.
  struct removal {
    bool made_room = false;                     ///< the files went first
    std::vector<caf::response_promise> waiting; ///< for its end
  };

  caf::result<upload_state> init(const upload_request& request);
  result<void> make_room(const video& video) const;
  bool is_current(const std::string& hash, const file& source) const;
  caf::result<upload_session_actor> session(const std::string& hash);
  void spawn_session(video video, std::vector<std::uint32_t> chunks);
  void answer_openers(const std::string& hash, const result<upload_session_actor>& answer);

  caf::result<void> remove(const std::string& hash);
  void remove_next(const std::string& hash);
  void remove_row(const std::string& hash);
  void make_room_for_removal(const std::string& hash);
  void end_removal(const std::string& hash, const result<void>& answer);
  void expire();
  void session_down(const caf::actor_addr& session);
  void count_sessions();

  pointer self_;
  session_manager_config config_;
  remover_actor remover_;
  std::unordered_map<std::string, live_session> sessions_;
  std::unordered_map<std::string, std::vector<session_promise>> opening_;
  std::unordered_map<std::string, removal> removals_;
};

/// Spawn it detached: it makes files.
session_manager_impl::behavior_type session_manager(session_manager_state::pointer self, session_manager_config config);

} // namespace vp
