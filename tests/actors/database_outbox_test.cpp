#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');

} // namespace

TEST_CASE_METHOD(test::storage, "jobs come oldest first, and go when they are done with", "[database]") {
  queued(a);
  queued(b);
  CHECK(jobs() == strings{a, b});
  CHECK(jobs(1) == strings{a});
  auto first = db->due_jobs(1)->front();
  REQUIRE(db->ack(first.id));
  CHECK(jobs() == strings{b});
  CHECK(db->ack(first.id));
  CHECK(db->ack(12345));
}

TEST_CASE_METHOD(test::storage, "a job that is put off comes when it is due", "[database]") {
  queued(a);
  auto id = db->due_jobs(1)->front().id;
  REQUIRE(db->later(id, 5s, "busy"));
  CHECK(jobs().empty());
  wall += 4999ms;
  CHECK(jobs().empty());
  wall += 1ms;
  CHECK(jobs() == strings{a});
  CHECK(db->due_jobs(1)->front().id == id);
}

TEST_CASE_METHOD(test::storage, "a job that is given up takes its video along", "[database]") {
  queued(a);
  auto id = db->due_jobs(1)->front().id;
  REQUIRE(db->dead(id, "It can't be done."));
  CHECK(jobs().empty());
  CHECK(db->get(a)->status == video_status::failed);
  CHECK(db->get(a)->error == "It can't be done.");
  CHECK(*db->enqueue_orphans() == 0);

  // Not a video that is done, and not one that somebody works on.
  queued(b);
  id = db->due_jobs(1)->front().id;
  auto mine = claimed(b);
  REQUIRE(db->dead(id, "x"));
  CHECK(db->get(b)->status == video_status::processing);
  REQUIRE(db->complete(mine));
}

TEST_CASE_METHOD(test::storage, "videos with work to do and no job get one", "[database]") {
  queued(a);
  queued(b);
  CHECK(*db->enqueue_orphans() == 0);
  auto due = *db->due_jobs(10);
  for (auto& one : due)
    REQUIRE(db->ack(one.id));
  auto mine = claimed(b);
  CHECK(*db->enqueue_orphans() == 1); // b is being worked on
  CHECK(jobs() == strings{a});
  CHECK(*db->enqueue_orphans() == 0);
  wall += 31s;
  CHECK(*db->enqueue_orphans() == 1);
  CHECK(jobs() == strings{a, b});
  upload(hash_of('c'));
  CHECK(*db->enqueue_orphans() == 0);
}

TEST_CASE_METHOD(test::storage, "a job that is tried again is not the one that is still in somebody's hands",
                 "[database]") {
  queued(a);
  auto in_hand = db->due_jobs(1)->front().id;
  REQUIRE(db->fail_job(claimed(a), "why"));
  REQUIRE(db->retry(a));
  REQUIRE(db->ack(in_hand)); // the holder of the first one is slow to say so
  CHECK(jobs() == strings{a});
}

TEST_CASE_METHOD(test::storage, "events have one order, and can be had by video", "[database]") {
  queued(a);
  queued(b);
  auto all = *db->events(0, "", 1000);
  REQUIRE(all.size() >= 4);
  for (std::size_t i = 1; i < all.size(); ++i)
    CHECK(all[i - 1].id < all[i].id);
  CHECK(*db->last_event() == all.back().id);
  CHECK(db->events(0, "", 2)->size() == 2);
  CHECK(*db->events(all[1].id, "", 1000) == std::vector(all.begin() + 2, all.end()));
  auto of_b = *db->events(0, b, 1000);
  CHECK(of_b.size() == 2);
  for (auto& one : of_b)
    CHECK(one.video_hash == b);
  CHECK(db->events(all.back().id, "", 1000)->empty());
  CHECK(db->events(UINT64_MAX, "", 1000)->empty());
}

TEST_CASE_METHOD(test::storage, "an event's data say the same of every kind", "[database]") {
  queued(a);
  REQUIRE(db->fail_job(claimed(a), "why"));
  REQUIRE(db->remove(a));
  auto all = *db->events(0, "", 1000);
  for (auto& one : all) {
    auto data = nlohmann::json::parse(one.data);
    CHECK(data["video_hash"] == a);
    CHECK(data["kind"] == one.kind);
    CHECK(parse_status(data["status"].get<std::string>()));
    CHECK(data["time"] == "2023-11-14T22:13:20.000Z");
  }
}

TEST_CASE_METHOD(test::storage, "the log doesn't grow for ever, and ids are never used twice", "[database]") {
  queued(a);
  auto mine = claimed(a);
  for (auto i = 0; i < 10; ++i)
    REQUIRE(db->store_progress(mine, {"encoding", 1, 2, {}, -1, {}}));
  CHECK(last_event_data()["progress"]["eta_seconds"].is_null());
  auto newest = *db->last_event();
  wall += 30min;
  REQUIRE(db->store_progress(mine, {}));
  wall += 31min;
  REQUIRE(db->enqueue_orphans());
  auto all = kinds();
  CHECK(std::count(all.begin(), all.end(), "progress") == 1);

  wall += 24h * 31;
  REQUIRE(db->enqueue_orphans());
  CHECK(kinds().empty());
  REQUIRE(db->store_progress(mine, {}));
  CHECK(*db->last_event() > newest);
}
