#include "actors/database.hpp"

#include <algorithm>

/// Publishing the outbox to Kafka. One process at a time holds the lease; what it has published is marked by one
/// number, since it goes in id order. A job that is published leaves the outbox, for Kafka has it now.
namespace vp {

namespace {

/// A job that Kafka may have lost is enqueued again after a minute, then after two, four, ...: a video that only waits
/// its turn adds few messages that do nothing.
constexpr std::int64_t first_wait_ms = 60'000;
constexpr int most_doublings = 6;

constexpr auto nothing_is_published = "UPDATE videos SET publications = 0, enqueue_at = 0 WHERE enqueue_at <> 0";

std::int64_t to_milliseconds(std::chrono::nanoseconds x) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(x).count();
}

} // namespace

/// Writes only where the lease is to be taken, or half of it is over.
result<void> database::take_lease(const std::string& owner, const std::string& cluster,
                                  std::chrono::nanoseconds lifetime) {
  auto& held = query("SELECT owner, expires, cluster FROM publisher");
  held.executeStep();
  auto holder = held.getColumn(0).getString();
  auto left = held.getColumn(1).getInt64() - now();
  auto known = held.getColumn(2).getString();
  reset_statements();
  if (holder != owner && left > 0)
    return vp::fail(errc::conflict, "another server publishes the outbox");
  if (holder == owner && known == cluster && left > to_milliseconds(lifetime) / 2)
    return {};
  return write([&]() -> result<void> {
    if (run("UPDATE publisher SET owner = ?1, expires = ?2, cluster = ?3 WHERE owner = ?1 OR expires <= ?4", owner,
            now() + to_milliseconds(lifetime), cluster, now())
        != 1)
      return vp::fail(errc::conflict, "another server publishes the outbox");
    if (known != cluster) {
      run(nothing_is_published);
      add_orphans();
    }
    return {};
  });
}

result<publication> database::next_publication(const std::string& owner, const std::string& cluster,
                                               std::chrono::nanoseconds lifetime, std::uint32_t limit) {
  return guarded([&]() -> result<publication> {
    publication next;
    if (!cluster.empty()) {
      if (auto mine = take_lease(owner, cluster, lifetime); !mine)
        return tl::unexpected(mine.error());
      for (auto& each = query("SELECT id, topic = 'job', key, kind, payload FROM outbox "
                              "WHERE id > (SELECT published FROM publisher) AND state = 'waiting' ORDER BY id LIMIT ?",
                              limit);
           each.executeStep();)
        next.rows.push_back({static_cast<std::uint64_t>(each.getColumn(0).getInt64()), each.getColumn(1).getInt() != 0,
                             each.getColumn(2).getString(), each.getColumn(3).getString(),
                             each.getColumn(4).getString()});
    }
    auto& all = query("SELECT COUNT(*) FROM outbox WHERE id > (SELECT published FROM publisher) AND state = 'waiting'");
    all.executeStep();
    next.waiting = static_cast<std::uint64_t>(all.getColumn(0).getInt64());
    return next;
  });
}

result<void> database::published(const std::string& owner, std::uint64_t up_to) {
  return write([&]() -> result<void> {
    auto last = static_cast<std::int64_t>(up_to);
    if (run("UPDATE publisher SET published = ?1 WHERE owner = ?2 AND published < ?1", last, owner) != 1)
      return vp::fail(errc::stale, "another server publishes the outbox by now");
    run("UPDATE videos SET enqueue_at = ?1 + (?2 << min(publications, ?3)), publications = publications + 1 "
        "WHERE hash IN (SELECT key FROM outbox WHERE topic = 'job' AND state = 'waiting' AND id <= ?4)",
        now(), first_wait_ms, most_doublings, last);
    run("DELETE FROM outbox WHERE topic = 'job' AND state = 'waiting' AND id <= ?", last);
    return {};
  });
}

result<void> database::forget_publications() {
  return write([&]() -> result<void> {
    run(nothing_is_published);
    return {};
  });
}

result<void> database::release_lease(const std::string& owner) {
  return write([&]() -> result<void> {
    run("UPDATE publisher SET owner = '', expires = 0 WHERE owner = ?", owner);
    return {};
  });
}

} // namespace vp
