#include "actors/database.hpp"

#include <algorithm>
#include <limits>

namespace vp {

namespace {

using std::chrono::milliseconds;

/// `chunk` and `progress` events are of use while something moves; the others tell a video's story for longer.
constexpr auto keep_progress = milliseconds{std::chrono::hours{1}}.count();
constexpr auto keep_events = milliseconds{std::chrono::hours{24 * 30}}.count();
constexpr auto keep_dead_jobs = milliseconds{std::chrono::hours{24 * 30}}.count();

std::int64_t sql_id(std::uint64_t id) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(id, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

} // namespace

result<std::uint32_t> database::enqueue_orphans() {
  return write([&]() -> result<std::uint32_t> {
    auto added = add_orphans();
    forget_old_rows();
    return added;
  });
}

std::uint32_t database::add_orphans() {
  std::vector<std::string> hashes;
  for (auto& each =
           query("SELECT hash FROM videos WHERE status IN ('queued', 'processing') AND expires <= ?1 "
                 "AND enqueue_at <= ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE topic = 'job' AND state = 'waiting' "
                 "AND key = videos.hash)",
                 now());
       each.executeStep();)
    hashes.push_back(each.getColumn(0).getString());
  std::uint32_t added = 0;
  for (auto& hash : hashes)
    added += enqueue(hash, waiting_job::keep) ? 1 : 0;
  return added;
}

void database::forget_old_rows() {
  auto time = now();
  run("DELETE FROM outbox WHERE topic = 'event' AND kind IN ('chunk', 'progress') AND created_at < ?",
      time - keep_progress);
  run("DELETE FROM outbox WHERE topic = 'event' AND created_at < ?", time - keep_events);
  run("DELETE FROM outbox WHERE topic = 'job' AND state = 'dead' AND created_at < ?", time - keep_dead_jobs);
  std::erase_if(last_chunk_event_, [&](auto& one) { return one.second < time - keep_progress; });
}

result<std::vector<job>> database::due_jobs(std::uint32_t limit) {
  return guarded([&]() -> result<std::vector<job>> {
    std::vector<job> jobs;
    for (auto& each = query("SELECT id, key FROM outbox WHERE topic = 'job' AND state = 'waiting' AND due_at <= ? "
                            "ORDER BY id LIMIT ?",
                            now(), limit);
         each.executeStep();)
      jobs.push_back({static_cast<std::uint64_t>(each.getColumn(0).getInt64()), each.getColumn(1).getString()});
    return jobs;
  });
}

result<void> database::ack(std::uint64_t id) {
  return write([&]() -> result<void> {
    run("DELETE FROM outbox WHERE id = ? AND topic = 'job' AND state = 'waiting'", sql_id(id));
    return {};
  });
}

result<void> database::later(std::uint64_t id, std::chrono::nanoseconds after, const std::string& reason) {
  return write([&]() -> result<void> {
    run("UPDATE outbox SET due_at = ?, attempts = attempts + 1, reason = ? "
        "WHERE id = ? AND topic = 'job' AND state = 'waiting'",
        now() + std::chrono::duration_cast<milliseconds>(after).count(), reason, sql_id(id));
    return {};
  });
}

result<void> database::dead(std::uint64_t id, const std::string& reason) {
  return write([&]() -> result<void> {
    auto& job = query("SELECT key FROM outbox WHERE id = ? AND topic = 'job' AND state = 'waiting'", sql_id(id));
    if (!job.executeStep())
      return {};
    auto hash = job.getColumn(0).getString();
    run("UPDATE outbox SET state = 'dead', reason = ? WHERE id = ?", reason, sql_id(id));
    // A video whose job was given up must not wait for ever.
    auto found = find(hash);
    if (found && (found->video.status == video_status::queued || found->video.status == video_status::processing)
        && found->expires <= now())
      set_failed(*found, reason);
    return {};
  });
}

result<std::vector<event>> database::events(std::uint64_t above, const std::string& hash, std::uint32_t limit) {
  return guarded([&]() -> result<std::vector<event>> {
    auto& each = hash.empty() ? query("SELECT id, key, kind, payload FROM outbox WHERE id > ? AND topic = 'event' "
                                      "ORDER BY id LIMIT ?",
                                      sql_id(above), limit)
                              : query("SELECT id, key, kind, payload FROM outbox WHERE id > ? AND topic = 'event' "
                                      "AND key = ? ORDER BY id LIMIT ?",
                                      sql_id(above), hash, limit);
    std::vector<event> found;
    while (each.executeStep())
      found.push_back({static_cast<std::uint64_t>(each.getColumn(0).getInt64()), each.getColumn(1).getString(),
                       each.getColumn(2).getString(), each.getColumn(3).getString()});
    return found;
  });
}

result<std::uint64_t> database::last_event() {
  return guarded([&]() -> result<std::uint64_t> {
    auto& newest = query("SELECT id FROM outbox WHERE topic = 'event' ORDER BY id DESC LIMIT 1");
    return newest.executeStep() ? static_cast<std::uint64_t>(newest.getColumn(0).getInt64()) : 0;
  });
}

} // namespace vp
