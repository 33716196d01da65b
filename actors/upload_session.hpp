#pragma once

#include "actors/chunk_layout.hpp"
#include "actors/data_folder.hpp"
#include "actors/interfaces.hpp"
#include "actors/storage_metrics.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vp {

struct upload_session_config {
  catalog_actor catalog;
  job_queue_actor queue; ///< told of finalized videos
  data_folder folder;
  vp::video video;                   ///< as the catalog has it when the session begins
  std::vector<std::uint32_t> chunks; ///< acknowledged by then
  /// A ticket that nobody uses for so long lapses; nobody waits longer than this for another writer's end.
  caf::timespan ticket_timeout = std::chrono::seconds(60);
  /// A session that nobody speaks to and whose tickets are all gone ends.
  caf::timespan idle = std::chrono::seconds(10);
  /// Deadline of a request to the catalog.
  caf::timespan deadline = std::chrono::seconds(15);
  std::size_t max_writers = 64;       ///< chunks written at the same time
  std::size_t max_write = 256 * 1024; ///< bytes of one write
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The session's own interface: time to look for tickets that have lapsed.
using upload_session_impl = upload_session_actor::extend<caf::reacts_to<tick_atom>>;

/// Writes the chunks of one upload into its source file, in any order and in parallel, one writer an index.
///
/// While the size of the chunks is unknown a chunk spools into a file of its own and is copied to its place when it is
/// whole, for by then its own size tells that of the others. The index of an acknowledged chunk is never written again:
/// who comes with it later gets a ticket that says `present`.
class upload_session_state {
public:
  static constexpr const char* name = "upload_session";
  using pointer = upload_session_impl::stateful_pointer<upload_session_state>;

  explicit upload_session_state(pointer self) : self_(self) {}
  upload_session_state(const upload_session_state&) = delete;
  upload_session_state& operator=(const upload_session_state&) = delete;
  ~upload_session_state();

  upload_session_impl::behavior_type make_behavior(upload_session_config config);

private:
  using time_point = caf::actor_clock::time_point;
  using receipt_promise = caf::typed_response_promise<chunk_receipt>;
  using ticket_promise = caf::typed_response_promise<chunk_ticket>;

  /// Who holds the right to write an index.
  struct writer {
    std::uint32_t index = 0;
    std::uint64_t max_size = 0;
    std::uint64_t position = 0;        ///< bytes written
    file spool;                        ///< open while the chunk's place is unknown
    std::vector<receipt_promise> ends; ///< who waits for the catalog to know of the chunk
    time_point used{};
  };

  struct waiter {
    ticket_promise answer;
    time_point since{};
  };

  caf::result<chunk_ticket> begin(std::uint32_t index, std::uint64_t size);
  result<chunk_ticket> grant(std::uint32_t index);
  void settle(std::uint64_t ticket, std::uint32_t index);
  std::optional<std::uint32_t> settled(std::uint64_t ticket) const;
  result<void> check_size(std::uint32_t index, std::uint64_t size) const;
  result<void> write(std::uint64_t ticket, const bytes& data);
  caf::result<chunk_receipt> end(std::uint64_t ticket);
  result<void> put_in_place(writer& which);
  void recorded(std::uint64_t ticket, const video& known);
  void abandon(std::uint64_t ticket, const error& reason);
  void release(std::uint32_t index);
  void tick();

  caf::result<video> finalize();
  result<void> sync() const;
  std::vector<std::uint32_t> missing() const;

  chunk_receipt receipt(std::uint32_t index) const;
  void open_source();
  time_point now() const { return self_->clock().now(); }

  pointer self_;
  upload_session_config config_;
  chunk_layout layout_;
  result<file> source_ = fail(errc::internal, "not open");
  std::vector<bool> present_;
  std::uint32_t received_ = 0;
  std::uint64_t chunk_size_ = 0; ///< 0 while unknown
  std::uint64_t next_ticket_ = 1;
  std::map<std::uint64_t, writer> writers_;                     ///< by ticket
  std::unordered_map<std::uint32_t, std::uint64_t> holders_;    ///< the ticket of who writes an index
  std::deque<std::pair<std::uint64_t, std::uint32_t>> settled_; ///< the latest tickets for chunks that are there
  std::unordered_map<std::uint32_t, std::deque<waiter>> waiting_;
  std::uint32_t finalizing_ = 0;
  time_point spoken_to_{};
};

/// Spawn it detached: it writes to disk.
upload_session_impl::behavior_type upload_session(upload_session_state::pointer self, upload_session_config config);

/// Makes the source file of an upload, at its full size, where it is missing.
result<void> prepare_source(const data_folder& folder, const std::string& hash, std::uint64_t size);

} // namespace vp
