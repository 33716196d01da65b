#pragma once

#include "actors/chunk_layout.hpp"
#include "actors/data_folder.hpp"
#include "actors/interfaces.hpp"
#include "actors/storage_metrics.hpp"
#include "media/index_finder.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace vp {

struct upload_session_config {
  catalog_actor catalog;
  job_queue_actor queue;  ///< told of finalized videos
  job_manager_actor jobs; ///< told once the head of the file is there
  data_folder folder;
  vp::video video;                   ///< as the catalog has it when the session begins
  std::vector<std::uint32_t> chunks; ///< acknowledged by then
  /// Other processes have sessions of the same upload.
  bool shared = false;
  /// How often an index that another process holds is looked at.
  caf::timespan lock_poll = std::chrono::milliseconds(25);
  /// How often it is looked at what came to other processes, while somebody waits for it.
  caf::timespan arrival_poll = std::chrono::milliseconds(250);
  /// Whoever follows the upload is told of what arrives at most so often, and between once of whole chunks.
  caf::timespan arrival_pause = std::chrono::milliseconds(100);
  /// A ticket that nobody uses for so long lapses; nobody waits longer than this for another writer's end.
  caf::timespan ticket_timeout = std::chrono::seconds(60);
  /// A session that nobody speaks to and whose tickets are all gone ends.
  caf::timespan idle = std::chrono::seconds(10);
  /// Deadline of a request to the catalog.
  caf::timespan deadline = std::chrono::seconds(15);
  /// Bytes a second that one who sends chunk after chunk gets rid of while viewers wait for something else.
  std::uint64_t rate_beside_viewers = std::uint64_t{16} << 20U;
  std::size_t max_writers = 64;       ///< chunks written at the same time
  std::size_t max_write = 256 * 1024; ///< bytes of one write
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The session's own interface.
using upload_session_impl = upload_session_actor::extend<
    // Time to look for tickets that have lapsed.
    caf::reacts_to<tick_atom>,
    // Time to look for chunks that came to other processes.
    caf::reacts_to<watch_atom>,
    // Time to tell again what has arrived.
    caf::reacts_to<arrive_atom>,
    // Time for a receipt that was held back.
    caf::reacts_to<end_atom>,
    // Time to try once more to lock an index.
    caf::reacts_to<retry_atom, std::uint32_t>>;

/// Writes the chunks of one upload into its source file, in any order and in parallel, one writer an index.
///
/// While the size of the chunks is unknown a chunk spools into a file of its own and is copied to its place when it is
/// whole, for by then its own size tells that of the others. The index of an acknowledged chunk is never written again:
/// who comes with it later gets a ticket that says `present`.
///
/// An upload that comes as fast as the machine can take it leaves little for what viewers wait for. While they do,
/// receipts of chunks that nobody waits for are held back, as if the link were slower.
///
/// Where processes share the folder, each may have a session of one upload. The right to an index is then a lock on the
/// byte of the source file at that offset, which ends with its process; who has got it asks the catalog what became of
/// the chunk until then.
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
  using finalize_promise = caf::typed_response_promise<video>;
  using await_promise = caf::typed_response_promise<media::byte_range, std::uint32_t>;

  /// Who holds the right to write an index.
  struct writer {
    std::uint32_t index = 0;
    std::uint64_t max_size = 0;
    std::uint64_t position = 0;        ///< bytes written
    file spool;                        ///< open while the chunk is not in its place
    std::vector<receipt_promise> ends; ///< who waits for the catalog to know of the chunk
    time_point since{};
    time_point used{};
  };

  struct waiter {
    ticket_promise answer;
    time_point since{};
  };

  /// Who waits for bytes.
  struct reader {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    bool acknowledged = false; ///< nothing less will do
    await_promise answer;
    time_point since{};
  };

  struct held_receipt {
    std::uint32_t index = 0;
    time_point due{};
    std::vector<receipt_promise> answers;
  };

  /// What has come: more of a chunk, or a whole one.
  enum class news : std::uint8_t { none, bytes, chunk };

  caf::result<chunk_ticket> begin(std::uint32_t index, std::uint64_t size);
  result<chunk_ticket> grant(std::uint32_t index);
  void lock(std::uint32_t index);
  void locked(std::uint32_t index, const video& known, bool present);
  void unlock(std::uint32_t index);
  void refuse(std::uint32_t index, const error& reason);
  void settle(std::uint64_t ticket, std::uint32_t index);
  std::optional<std::uint32_t> settled(std::uint64_t ticket) const;
  result<void> check_size(std::uint32_t index, std::uint64_t size) const;
  result<void> write(std::uint64_t ticket, const bytes& data);
  caf::result<chunk_receipt> end(std::uint64_t ticket);
  void settle_chunk_size(std::uint64_t ticket);
  void place(std::uint64_t ticket);
  result<void> put_in_place(writer& which);
  void recorded(std::uint64_t ticket, const video& known);
  void give_receipts(writer done);
  void answer(std::uint32_t index, std::vector<receipt_promise>& ends) const;
  void answer_if_wanted();
  void answer_held(time_point until);
  void abandon(std::uint64_t ticket, const error& reason);
  void release(std::uint32_t index);
  void tick();

  template <class Promise, class Then>
  void learn_chunks(Promise promise, Then then);
  void know_chunks(const std::vector<std::uint32_t>& indexes);
  caf::result<std::vector<std::uint32_t>> answer_missing();
  caf::result<video> finalize();
  void finalize(finalize_promise promise);
  result<void> sync() const;
  std::vector<std::uint32_t> missing() const;

  bool is_whole() const;
  arrival arrived() const;
  std::uint64_t there_of(std::size_t index, bool acknowledged) const;
  std::optional<media::byte_range> there_around(std::uint64_t offset, std::uint64_t length, bool acknowledged) const;
  bool is_acknowledged(const media::byte_range& what) const;
  caf::result<media::byte_range, std::uint32_t> await(std::uint64_t offset, std::uint64_t length, bool acknowledged);
  void watch(const arrival_listener& listener);
  void tell_arrival();
  void tell_readers();
  void tell_watchers(news what);
  void look_elsewhere();
  void learn_arrival();
  void look_for_head();
  std::optional<bool> find_out_growth() const;
  std::vector<media::byte_range> awaited() const;
  std::vector<std::uint32_t> wanted_chunks() const;
  bool can_wait(std::uint32_t index) const;

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
  std::unordered_set<std::uint32_t> locks_; ///< the indexes that are locked here, or are to be
  std::deque<reader> readers_;
  std::vector<arrival_listener> watchers_;
  std::uint32_t reading_ = 1;             ///< see `arrival`
  std::vector<media::byte_range> wanted_; ///< by viewers
  bool hurried_ = false;                  ///< they wait, for that or for something else
  std::vector<held_receipt> held_back_;
  media::index_finder finder_{0};
  std::optional<bool> grows_; ///< see `arrival`
  bool pausing_ = false;      ///< the watchers were told a short while ago
  news told_ = news::none;    ///< then
  news untold_ = news::none;  ///< has come since then
  bool looking_elsewhere_ = false;
  std::uint32_t asking_ = 0; ///< requests about the whole upload that the catalog has not answered
  time_point spoken_to_{};
};

/// Spawn it detached: it writes to disk.
upload_session_impl::behavior_type upload_session(upload_session_state::pointer self, upload_session_config config);

/// Makes the source file of an upload, at its full size, where it is missing.
result<void> prepare_source(const data_folder& folder, const std::string& hash, std::uint64_t size);

} // namespace vp
