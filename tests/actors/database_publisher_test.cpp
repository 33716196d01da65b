#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');

struct outbox : test::storage {
  result<publication> next(const std::string& owner = "me", const std::string& cluster = "one",
                           std::uint32_t limit = 100) {
    return db->next_publication(owner, cluster, 15s, limit);
  }

  /// What there is to publish, `job` for a job; marked as published.
  strings publish(const std::string& owner = "me", const std::string& cluster = "one") {
    auto found = next(owner, cluster);
    REQUIRE(found);
    strings kinds;
    for (auto& row : found->rows)
      kinds.push_back(row.is_job ? "job" : row.kind);
    if (!found->rows.empty())
      REQUIRE(db->published(owner, found->rows.back().id));
    return kinds;
  }

  /// Looks for orphans a second at a time; after how many seconds there was one.
  std::chrono::seconds until_enqueued_again() {
    for (auto waited = 0s; waited < 3h; waited += 1s, wall += 1s) {
      auto found = db->enqueue_orphans();
      REQUIRE(found);
      if (*found > 0)
        return waited;
    }
    FAIL("it is never enqueued again");
    return {};
  }
};

} // namespace

TEST_CASE_METHOD(outbox, "the outbox is published in the order of its ids, once", "[publisher]") {
  queued(a);
  auto found = next();
  REQUIRE(found);
  REQUIRE_FALSE(found->rows.empty());
  std::uint64_t before = 0;
  for (auto& row : found->rows) {
    CHECK(row.id > before);
    before = row.id;
    CHECK(row.video_hash == a);
  }
  CHECK(found->waiting == found->rows.size());
  CHECK(publish() == strings{"created", "job", "queued"});
  CHECK(publish().empty());
  CHECK(jobs().empty());
  // Server-Sent Events still know them.
  CHECK(kinds() == strings{"created", "queued"});
}

TEST_CASE_METHOD(outbox, "what is not marked is published again", "[publisher]") {
  queued(a);
  auto first = next();
  auto second = next();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->rows == second->rows);
  REQUIRE(db->published("me", first->rows.front().id));
  CHECK(publish() == strings{"job", "queued"});
}

TEST_CASE_METHOD(outbox, "more rows than fit are counted", "[publisher]") {
  queued(a);
  auto found = next("me", "one", 2);
  REQUIRE(found);
  CHECK(found->rows.size() == 2);
  CHECK(found->waiting == 3);
}

TEST_CASE_METHOD(outbox, "without a cluster nothing is to be published, and what waits is counted", "[publisher]") {
  queued(a);
  auto found = next("me", "");
  REQUIRE(found);
  CHECK(found->rows.empty());
  CHECK(found->waiting == 3);
  CHECK(next("other")); // there was no lease
}

TEST_CASE_METHOD(outbox, "one publishes at a time, and another when its lease is over", "[publisher]") {
  queued(a);
  auto mine = next();
  REQUIRE(mine);
  CHECK(next("other").error().code == errc::conflict);
  wall += 14s;
  CHECK(next("other").error().code == errc::conflict);
  wall += 1s;
  CHECK(publish("other") == strings{"created", "job", "queued"});
  // Who wakes up late marks nothing, and may not go on.
  CHECK(db->published("me", mine->rows.back().id).error().code == errc::stale);
  CHECK(next().error().code == errc::conflict);
}

TEST_CASE_METHOD(outbox, "a lease lives on while its holder publishes, and ends when it is given back", "[publisher]") {
  for (auto i = 0; i < 10; ++i) {
    REQUIRE(next());
    wall += 10s;
  }
  CHECK(next("other").error().code == errc::conflict);
  REQUIRE(db->release_lease("other"));
  CHECK(next("other").error().code == errc::conflict);
  REQUIRE(db->release_lease("me"));
  CHECK(next("other"));
}

TEST_CASE_METHOD(outbox, "a job that Kafka has is enqueued again after longer and longer waits", "[publisher]") {
  queued(a);
  publish();
  CHECK(until_enqueued_again() == 60s);
  CHECK(publish() == strings{"job"});
  CHECK(until_enqueued_again() == 120s);
  publish();
  CHECK(until_enqueued_again() == 240s);
  for (auto i = 0; i < 10; ++i) {
    publish();
    until_enqueued_again();
  }
  publish();
  CHECK(until_enqueued_again() == 64min);
}

TEST_CASE_METHOD(outbox, "a job of a video that somebody works on, or that is done, is not", "[publisher]") {
  queued(a);
  publish();
  auto mine = claimed(a);
  wall += 20s;
  REQUIRE(db->renew(mine, 2h));
  wall += 1h;
  CHECK(*db->enqueue_orphans() == 0);
  REQUIRE(db->store_plan(mine, {}));
  REQUIRE(db->complete(mine));
  wall += 3h;
  CHECK(*db->enqueue_orphans() == 0);
}

TEST_CASE_METHOD(outbox, "a cluster that lost its data gets every job again, at once", "[publisher]") {
  queued(a);
  queued(b);
  publish();
  CHECK(*db->enqueue_orphans() == 0);
  CHECK(publish("me", "another") == strings{"job", "job"});
  CHECK(*db->enqueue_orphans() == 0);
}

TEST_CASE_METHOD(outbox, "a retry is published at once", "[publisher]") {
  queued(a);
  publish();
  auto mine = claimed(a);
  REQUIRE(db->fail_job(mine, "broken"));
  publish();
  REQUIRE(db->retry(a));
  CHECK(publish() == strings{"job", "queued"});
  CHECK(until_enqueued_again() == 60s);
}

TEST_CASE_METHOD(outbox, "without Kafka the outbox is the queue again", "[publisher]") {
  queued(a);
  publish();
  CHECK(*db->enqueue_orphans() == 0);
  REQUIRE(db->forget_publications());
  CHECK(*db->enqueue_orphans() == 1);
  CHECK(jobs() == strings{a});
}

TEST_CASE_METHOD(outbox, "a connection notices what another one changed, once, and not what itself did",
                 "[publisher]") {
  auto other = database::open(folder.database());
  REQUIRE(other);
  db->changed_elsewhere();
  queued(a);
  CHECK_FALSE(db->changed_elsewhere());
  REQUIRE((*other)->open_video(b, {"title", "", "", "", 10, 1, 10}, false));
  CHECK(db->changed_elsewhere());
  CHECK_FALSE(db->changed_elsewhere());
}

TEST_CASE_METHOD(test::storage_fixture, "a catalog tells its listeners what another process added", "[publisher]") {
  auto other = database::open(folder.database());
  REQUIRE(other);
  auto watching = spawn(vp::catalog, catalog_config{db, folder, 100ms});
  auto told = std::make_shared<int>(0);
  auto listener = spawn([told](outbox_listener::pointer) -> outbox_listener::behavior_type {
    return {[told](outbox_atom) { ++*told; }};
  });
  tell(watching, listen_atom_v, outbox_listener{listener});
  pass(1s);
  *told = 0;
  REQUIRE((*other)->open_video(a, {"title", "", "", "", 10, 1, 10}, false));
  CHECK(*told == 0);
  pass(200ms);
  CHECK(*told == 1);
  pass(1s);
  CHECK(*told == 1);
}

TEST_CASE("folders are shared by those who agree to", "[data_folder]") {
  const test::temporary_folder where;
  const data_folder folder{where.path()};
  auto first = folder_lock::take_to_share(folder, 0ms);
  REQUIRE(first);
  CHECK(first->exclusive()); // nobody else was there
  CHECK(folder_lock::take_to_share(folder, 50ms).error().code == errc::conflict);
  REQUIRE(first->share());
  auto second = folder_lock::take_to_share(folder, 0ms);
  REQUIRE(second);
  CHECK_FALSE(second->exclusive());
  CHECK(folder_lock::take(folder, folder_lock::kind::exclusive).error().code == errc::conflict);
}
