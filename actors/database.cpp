#include "actors/database.hpp"

#include "actors/json.hpp"

#include <fmt/chrono.h>

#include <array>
#include <sqlite3.h>

namespace vp {

namespace {

constexpr auto busy_timeout_ms = 5000;

/// Step n takes a database from version n to n + 1. Steps are never changed, only added.
constexpr std::array migrations{
    R"sql(
CREATE TABLE videos (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  hash TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  file_size INTEGER NOT NULL,
  total_chunks INTEGER NOT NULL,
  received_chunks INTEGER NOT NULL DEFAULT 0,
  chunk_size INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('uploading', 'queued', 'processing', 'completed', 'failed')),
  error TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  width INTEGER NOT NULL DEFAULT 0,
  height INTEGER NOT NULL DEFAULT 0,
  duration REAL NOT NULL DEFAULT 0,
  codec TEXT NOT NULL DEFAULT '',
  actual_mime_type TEXT NOT NULL DEFAULT '',
  has_poster INTEGER NOT NULL DEFAULT 0,
  plan TEXT NOT NULL DEFAULT '',      -- JSON, as are the next two
  segments TEXT NOT NULL DEFAULT '',
  progress TEXT NOT NULL DEFAULT '',
  owner TEXT NOT NULL DEFAULT '',     -- the claim; times are milliseconds since 1970
  owner_url TEXT NOT NULL DEFAULT '',
  epoch INTEGER NOT NULL DEFAULT 0,   -- 0: nobody's
  expires INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX videos_by_status ON videos (status);

-- The acknowledged chunks of uploads that are not whole yet.
CREATE TABLE chunks (
  video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  PRIMARY KEY (video_id, idx)
) WITHOUT ROWID;

CREATE TABLE fragments (
  video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
  rendition TEXT NOT NULL,
  segment INTEGER NOT NULL,
  start INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (video_id, rendition, segment)
) WITHOUT ROWID;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL CHECK (topic IN ('event', 'job')),
  key TEXT NOT NULL,                  -- a video's hash
  kind TEXT NOT NULL DEFAULT '',      -- of an event
  payload TEXT NOT NULL,              -- JSON
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL DEFAULT 0,  -- of a job
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX outbox_one_job ON outbox (key) WHERE topic = 'job' AND state = 'waiting';
CREATE INDEX outbox_jobs ON outbox (state, id) WHERE topic = 'job';
CREATE INDEX outbox_events ON outbox (key, id) WHERE topic = 'event';
)sql",
    R"sql(
-- With Kafka a job leaves the outbox when it is published: how often that was since the video was queued, and before when
-- it is not enqueued again.
ALTER TABLE videos ADD COLUMN publications INTEGER NOT NULL DEFAULT 0;
ALTER TABLE videos ADD COLUMN enqueue_at INTEGER NOT NULL DEFAULT 0;

-- Who publishes the outbox to which cluster, and up to which id it has been published.
CREATE TABLE publisher (
  owner TEXT NOT NULL,
  expires INTEGER NOT NULL,
  cluster TEXT NOT NULL,
  published INTEGER NOT NULL
);
INSERT INTO publisher VALUES ('', 0, '', 0);
)sql",
    R"sql(
-- A video that is to be tried alone has its turn next: until when the others wait for it.
ALTER TABLE videos ADD COLUMN turn_until INTEGER NOT NULL DEFAULT 0;
)sql",
    R"sql(
-- How often a video's upload was begun anew. What is made of an upload before it is whole has names of its own.
ALTER TABLE videos ADD COLUMN uploads INTEGER NOT NULL DEFAULT 0;
)sql",
};

constexpr auto columns =
    "id, hash, title, description, mime_type, fingerprint, file_size, total_chunks, "
    "received_chunks, chunk_size, status, error, attempts, uploads, width, height, duration, codec, "
    "actual_mime_type, has_poster, progress, created_at, updated_at, owner, epoch, expires";

/// RFC 3339, UTC, milliseconds.
std::string timestamp(std::int64_t milliseconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(milliseconds / 1000)),
                     milliseconds % 1000);
}

} // namespace

// -- the connection -------------------------------------------------------------------------------

database::database(const std::filesystem::path& path, database_options options)
    : connection_(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_FULLMUTEX,
                  busy_timeout_ms),
      options_(std::move(options)) {
  connection_.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
                   "PRAGMA journal_size_limit = 67108864;");
  migrate();
  changed_elsewhere();
}

bool database::changed_elsewhere() {
  auto version = guarded([&]() -> result<std::int64_t> {
    auto& now = query("PRAGMA data_version");
    now.executeStep();
    return now.getColumn(0).getInt64();
  });
  // Who can't tell looks once more than needed.
  return !version || std::exchange(seen_version_, *version) != *version;
}

result<std::unique_ptr<database>> database::open(const std::filesystem::path& path, database_options options) {
  try {
    return std::unique_ptr<database>(new database(path, std::move(options)));
  } catch (const SQLite::Exception& problem) {
    auto reason = from_exception(problem);
    return vp::fail(reason.code, "opening " + path.string() + ": " + reason.text);
  }
}

void database::migrate() {
  SQLite::Transaction transaction{connection_, SQLite::TransactionBehavior::IMMEDIATE};
  auto version = connection_.execAndGet("PRAGMA user_version").getInt();
  if (version < 0 || version > static_cast<int>(migrations.size()))
    throw SQLite::Exception("its schema is newer than this program", SQLITE_ERROR);
  for (auto step = static_cast<std::size_t>(version); step < migrations.size(); ++step)
    connection_.exec(migrations[step]);
  connection_.exec("PRAGMA user_version = " + std::to_string(migrations.size()));
  transaction.commit();
}

std::int64_t database::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(options_.now().time_since_epoch()).count();
}

error database::from_exception(const SQLite::Exception& problem) {
  switch (problem.getErrorCode()) {
  case SQLITE_FULL:
    return {errc::disk_full, "no space is left for the database"};
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return {errc::overloaded, "the database was busy for too long"};
  default:
    return {errc::io_failed, std::string{"the database failed: "} + problem.what()};
  }
}

SQLite::Statement& database::prepared(const char* sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end())
    found = statements_.try_emplace(sql, connection_, sql).first;
  found->second.tryReset();
  return found->second;
}

void database::reset_statements() noexcept {
  for (auto& [sql, statement] : statements_)
    statement.tryReset();
}

database::full_sync::full_sync(database& db, durable when) : db_(db), when_(when) {
  if (when_ == durable::now)
    db_.connection_.exec("PRAGMA synchronous = FULL");
}

database::full_sync::~full_sync() {
  if (when_ == durable::now)
    db_.connection_.tryExec("PRAGMA synchronous = NORMAL");
}

// -- rows -----------------------------------------------------------------------------------------

const char* database::select_by_hash() {
  static const auto text = fmt::format("SELECT {} FROM videos WHERE hash = ?", columns);
  return text.c_str();
}

const char* database::select_all() {
  static const auto text = fmt::format("SELECT {} FROM videos ORDER BY id DESC", columns);
  return text.c_str();
}

database::row database::read_row(SQLite::Statement& from) {
  auto column = 0;
  auto integer = [&] { return from.getColumn(column++).getInt64(); };
  auto number = [&] { return static_cast<std::uint64_t>(integer()); };
  auto small = [&] { return static_cast<std::uint32_t>(integer()); };
  auto text = [&] { return from.getColumn(column++).getString(); };
  row x;
  x.video.id = integer();
  x.video.hash = text();
  x.video.title = text();
  x.video.description = text();
  x.video.mime_type = text();
  x.video.fingerprint = text();
  x.video.file_size = number();
  x.video.total_chunks = small();
  x.video.received_chunks = small();
  x.video.chunk_size = number();
  x.video.status = parse_status(text()).value_or(video_status::failed);
  x.video.error = text();
  x.video.attempts = small();
  x.video.uploads = small();
  x.video.width = static_cast<int>(integer());
  x.video.height = static_cast<int>(integer());
  x.video.duration = from.getColumn(column++).getDouble();
  x.video.codec = text();
  x.video.actual_mime_type = text();
  x.video.has_poster = integer() != 0;
  if (auto progress = text(); !progress.empty())
    x.video.progress = progress_from_json(progress);
  x.video.created_at = timestamp(integer());
  x.video.updated_at = timestamp(integer());
  x.owner = text();
  x.epoch = number();
  x.expires = integer();
  return x;
}

result<database::row> database::find(const std::string& hash) {
  auto& found = query(select_by_hash(), hash);
  if (!found.executeStep())
    return vp::fail(errc::not_found, "there is no video " + hash);
  return read_row(found);
}

result<database::row> database::find(const claim& mine) {
  auto found = find(mine.video_hash);
  if (!found || mine.epoch == 0 || found->epoch != mine.epoch)
    return vp::fail(errc::stale, "the claim on this video has passed to somebody else, or the video is gone");
  return found;
}

result<database::row> database::find_working(const claim& mine) {
  auto found = find(mine);
  // A job may begin while the video is uploaded, and learns a little later that it is whole.
  if (found && (found->video.status == video_status::completed || found->video.status == video_status::failed))
    return vp::fail(errc::stale, "the job on this video has ended");
  return found;
}

result<video> database::reread(const std::string& hash) {
  auto found = find(hash);
  if (!found)
    return tl::unexpected(found.error());
  return std::move(found->video);
}

// -- the outbox -----------------------------------------------------------------------------------

std::uint64_t database::emit(const char* kind, const std::string& hash, video_status status, nlohmann::json extra) {
  auto data = extra.is_object() ? std::move(extra) : nlohmann::json::object();
  auto time = now();
  data["video_hash"] = hash;
  data["kind"] = kind;
  data["status"] = to_string(status);
  data["time"] = timestamp(time);
  run("INSERT INTO outbox (topic, key, kind, payload, created_at) VALUES ('event', ?, ?, ?, ?)", hash, kind,
      to_text(data), time);
  growing_ = true;
  return static_cast<std::uint64_t>(connection_.getLastInsertRowid());
}

void database::drop_events(const std::string& hash, std::initializer_list<const char*> kinds) {
  for (auto* kind : kinds)
    run("DELETE FROM outbox WHERE topic = 'event' AND key = ? AND kind = ?", hash, kind);
}

bool database::enqueue(const std::string& hash, waiting_job present) {
  if (present == waiting_job::replace)
    run("DELETE FROM outbox WHERE topic = 'job' AND state = 'waiting' AND key = ?", hash);
  auto time = now();
  auto added = run("INSERT OR IGNORE INTO outbox (topic, key, payload, created_at, due_at) VALUES ('job', ?, ?, ?, ?)",
                   hash, to_text({{"video_hash", hash}}), time, time);
  if (present == waiting_job::replace)
    run("UPDATE videos SET publications = 0, enqueue_at = 0 WHERE hash = ?", hash);
  growing_ = growing_ || added != 0;
  return added != 0;
}

} // namespace vp
