#pragma once

#include "actors/file.hpp"
#include "actors/messages.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace vp {

struct database_options {
  /// Uploads that may be open at the same time.
  std::uint32_t max_open_uploads = 1000;
  /// The clock of claims, due times and time-outs.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

/// The SQL of the catalog. One connection; used by one thread at a time; every function is one transaction and never
/// throws.
///
/// A state change and what it puts into the outbox are one transaction. The outbox's ids only grow and are never used
/// twice: those of its events are the order of all that happened, and that of `started` is also the epoch of the claim
/// it speaks of.
///
/// Errors: `disk_full`, `io_failed`, `overloaded` (the database was busy for too long), and those of the catalog's
/// clauses, which say more of what each function promises.
class database {
public:
  static result<std::unique_ptr<database>> open(const std::filesystem::path& path, database_options options = {});

  /// Whether transactions have added to the outbox since this was last asked.
  bool take_growth() { return std::exchange(grown_, false); }

  /// Whether another process has changed the database since this was last asked.
  bool changed_elsewhere();

  // -- videos and uploads

  /// `source_present`: whether the source file is there at its full size, asked within the transaction. Otherwise
  /// acknowledged chunks are forgotten.
  result<video> open_video(const std::string& hash, const upload_request& request,
                           const std::function<bool()>& source_present);
  result<video> open_video(const std::string& hash, const upload_request& request, bool source_present) {
    return open_video(hash, request, [source_present] { return source_present; });
  }
  result<video> get(const std::string& hash);
  result<std::pair<video, bool>> get(const std::string& hash, std::uint32_t index);
  result<std::vector<video>> list();
  result<std::vector<std::uint32_t>> chunks(const std::string& hash);
  /// Only to the video with this id, where one is given.
  result<video> add_chunk(const std::string& hash, std::uint32_t index, std::uint64_t chunk_size,
                          std::optional<std::int64_t> id = {});
  result<std::uint64_t> settle_chunk_size(const std::string& hash, std::int64_t id, std::uint64_t chunk_size);
  result<video> finalize(const std::string& hash);
  result<video> retry(const std::string& hash);

  /// Takes a video's files away within the transaction that forgets it: whoever begins it anew finds none of them.
  using discard_files = std::function<result<void>(const std::string& hash)>;
  result<void> remove(const std::string& hash, const discard_files& discard = {});
  result<std::vector<std::string>> expire(std::chrono::nanoseconds idle, const discard_files& discard = {});

  // -- jobs

  result<claimed_job> claim_job(const std::string& hash, const std::string& owner, const std::string& url,
                                std::chrono::nanoseconds lifetime);
  result<claimed_job> preview_job(const std::string& hash, const std::string& owner, const std::string& url,
                                  std::chrono::nanoseconds lifetime);
  result<std::string> owner_url(const std::string& hash);
  result<void> renew(const claim& mine, std::chrono::nanoseconds lifetime);
  result<void> release(const claim& mine);
  result<void> store_plan(const claim& mine, const media::analysis& found);
  result<void> store_fragments(const claim& mine, const std::vector<stored_fragment>& fragments);
  result<void> remove_fragments(const claim& mine, const std::vector<stored_fragment>& fragments);
  result<void> store_progress(const claim& mine, const progress& now);
  result<video> complete(const claim& mine);
  result<video> fail_job(const claim& mine, const std::string& reason);

  // -- queue and events

  result<std::uint32_t> enqueue_orphans();
  result<std::vector<job>> due_jobs(std::uint32_t limit);
  result<void> ack(std::uint64_t id);
  result<void> later(std::uint64_t id, std::chrono::nanoseconds after, const std::string& reason);
  result<void> dead(std::uint64_t id, const std::string& reason);
  result<std::vector<event>> events(std::uint64_t above, const std::string& hash, std::uint32_t limit);
  result<std::uint64_t> last_event();

  // -- publishing the outbox to Kafka

  result<publication> next_publication(const std::string& owner, const std::string& cluster,
                                       std::chrono::nanoseconds lifetime, std::uint32_t limit);
  result<void> published(const std::string& owner, std::uint64_t up_to);
  result<void> release_lease(const std::string& owner);

  // -- start-up, by the only process that works with this database

  /// Ends every claim, and the publisher's lease.
  result<void> clear_claims();
  /// The outbox itself is the queue from now on: what was published waits nowhere.
  result<void> forget_publications();
  /// The fragments of a completed video.
  result<std::vector<stored_fragment>> fragments(const std::string& hash);
  /// A completed video whose files are gone is work again.
  result<void> requeue(const std::string& hash);
  /// A video whose source is gone as well.
  result<void> lose_source(const std::string& hash, const std::string& reason);
  /// An upload whose source file is gone starts from its first chunk.
  result<void> restart_upload(const std::string& hash);

private:
  /// A video's row with what only the database cares for.
  struct row {
    vp::video video;
    std::string owner;
    std::uint64_t epoch = 0;
    std::int64_t expires = 0; ///< milliseconds since 1970; in the past or 0 where no claim is live
  };

  database(const std::filesystem::path& path, database_options options);

  result<bool> has_claim(const row& which, const std::string& owner) const;
  bool must_wait(const row& which);
  bool another_has_turn(std::int64_t id, std::int64_t before);
  std::uint64_t begin(const row& which, const std::string& owner, const std::string& url, video_status status);
  void migrate();
  std::int64_t now() const;

  SQLite::Statement& prepared(const char* sql);

  /// Statements are kept; what this returns is valid until the same text is asked for again.
  template <class... Ts>
  SQLite::Statement& query(const char* sql, const Ts&... xs) {
    auto& statement = prepared(sql);
    auto index = 0;
    (bind(statement, ++index, xs), ...);
    return statement;
  }

  /// Runs a statement that answers no rows; how many rows it changed.
  template <class... Ts>
  int run(const char* sql, const Ts&... xs) {
    return query(sql, xs...).exec();
  }

  template <class T>
  static void bind(SQLite::Statement& statement, int index, const T& x) {
    if constexpr (std::is_integral_v<T>)
      statement.bind(index, static_cast<std::int64_t>(x));
    else
      statement.bind(index, x);
  }

  static error from_exception(const SQLite::Exception& problem);

  /// Turns what SQLiteCpp throws into an error.
  template <class F>
  std::invoke_result_t<F> guarded(F body) {
    try {
      auto answer = body();
      reset_statements();
      return answer;
    } catch (const SQLite::Exception& problem) {
      reset_statements();
      return tl::unexpected(from_exception(problem));
    } catch (const std::exception& problem) {
      reset_statements();
      return vp::fail(errc::internal, problem.what());
    }
  }

  /// Several reads that see the database as it was at one moment.
  template <class F>
  std::invoke_result_t<F> read(F body) {
    return guarded([&] {
      SQLite::Transaction snapshot{connection_};
      auto answer = body();
      reset_statements();
      return answer;
    });
  }

  /// One write transaction: committed when `body` answers a value, rolled back when it answers an error. With
  /// `durable::now` it has reached the disk when this returns; with `durable::later` it survives the end of the process
  /// only.
  template <class F>
  std::invoke_result_t<F> write(F body, durable when = durable::later) {
    return guarded([&] {
      full_sync level{*this, when};
      SQLite::Transaction transaction{connection_, SQLite::TransactionBehavior::IMMEDIATE};
      growing_ = false;
      auto answer = body();
      if (answer) {
        reset_statements();
        transaction.commit();
        grown_ = grown_ || growing_;
      }
      return answer;
    });
  }

  /// `PRAGMA synchronous` can't change within a transaction.
  class full_sync {
  public:
    full_sync(database& db, durable when);
    full_sync(const full_sync&) = delete;
    full_sync& operator=(const full_sync&) = delete;
    ~full_sync();

  private:
    database& db_;
    durable when_;
  };

  void reset_statements() noexcept;

  // What transactions are made of.
  static const char* select_by_hash();
  static const char* select_all();
  static row read_row(SQLite::Statement& from);
  result<row> find(const std::string& hash);
  result<row> find_upload(const std::string& hash, std::optional<std::int64_t> id);
  result<row> find(const claim& mine);         ///< `stale` once the epoch has moved on
  result<row> find_working(const claim& mine); ///< `stale` also once the job has ended
  result<video> reread(const std::string& hash);
  result<void> room_for_upload();
  void begin_upload_anew(std::int64_t id);
  void set_failed(const row& which, const std::string& reason);
  result<void> take_lease(const std::string& owner, const std::string& cluster, std::chrono::nanoseconds lifetime);
  result<void> erase(const row& which, const discard_files& discard);
  std::uint64_t emit(const char* kind, const std::string& hash, video_status status, nlohmann::json extra = {});
  void drop_events(const std::string& hash, std::initializer_list<const char*> kinds);
  enum class waiting_job : std::uint8_t { keep, replace };
  bool enqueue(const std::string& hash, waiting_job present);
  std::uint32_t add_orphans();
  void forget_old_rows();
  std::vector<stored_fragment> fragments_of(std::int64_t id);
  result<claimed_job> read_job(const claim& mine);

  SQLite::Database connection_;
  database_options options_;
  std::unordered_map<const char*, SQLite::Statement> statements_;
  std::unordered_map<std::string, std::int64_t> last_chunk_event_;
  bool growing_ = false;
  bool grown_ = false;
  std::int64_t seen_version_ = 0; ///< of the data, as other connections change it
};

} // namespace vp
