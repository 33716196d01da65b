#include "actors/event_hub.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using events = std::vector<event>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');

struct hub_fixture : test::storage_fixture {
  std::shared_ptr<test::interference> policy = std::make_shared<test::interference>();
  event_hub_config config;
  event_hub_actor hub;

  hub_fixture() {
    config.catalog =
        caf::actor_cast<catalog_actor>(spawn(test::tap, caf::actor_cast<caf::actor>(catalog), policy, false));
    restart();
  }

  void restart() {
    hub = spawn(event_hub, config);
    run();
  }

  auto next(std::uint64_t above, const std::string& hash = {}, std::uint32_t limit = 100) {
    return request(hub, next_atom_v, above, hash, limit);
  }

  /// Through the catalog, so that its listeners are told.
  void begin_upload(const std::string& hash) {
    REQUIRE(ask<video>(catalog, open_atom_v, hash, upload_request{"title", "", "", "", 25, 3, 10}));
  }

  /// As many events as wanted: of a claim and its return.
  void make_events(const std::string& hash, int pairs) {
    for (auto i = 0; i < pairs; ++i) {
      auto job = ask<claimed_job>(catalog, claim_atom_v, hash, std::string{"me"}, std::string{}, caf::timespan{30s});
      REQUIRE(job);
      REQUIRE(ask<void>(catalog, release_atom_v, job->claim));
    }
  }

  std::uint64_t last() { return *ask<std::uint64_t>(hub, last_atom_v); }
};

} // namespace

TEST_CASE_METHOD(hub_fixture, "a reader that waits gets what comes", "[event_hub]") {
  CHECK(last() == 0);
  auto waiting = next(last());
  CHECK_FALSE(waiting.answered());
  begin_upload(a);
  auto found = waiting.get<events>();
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(found->front().kind == "created");
  CHECK(found->front().video_hash == a);
  CHECK(last() == found->front().id);
  // What is there already is answered at once.
  CHECK(next(0).get<events>()->size() == 1);
}

TEST_CASE_METHOD(hub_fixture, "a reader of one video doesn't hear of others", "[event_hub]") {
  auto waiting = next(0, b);
  begin_upload(a);
  CHECK_FALSE(waiting.answered());
  begin_upload(b);
  auto found = waiting.get<events>();
  REQUIRE(found->size() == 1);
  CHECK(found->front().video_hash == b);
}

TEST_CASE_METHOD(hub_fixture, "a reader hears of nothing after the idle time", "[event_hub]") {
  auto waiting = next(0);
  pass(14900ms);
  CHECK_FALSE(waiting.answered());
  pass(100ms);
  auto nothing = waiting.get<events>();
  REQUIRE(nothing);
  CHECK(nothing->empty());
}

TEST_CASE_METHOD(hub_fixture, "a reader that comes back gets everything since, in order, once", "[event_hub]") {
  queued(a);
  make_events(a, 10);
  // A hub that begins now has none of them in its ring.
  auto fresh = GENERATE(true, false);
  config.ring = fresh ? 1024 : 4;
  restart();
  queued(b);
  make_events(b, 10);
  auto all = *db->events(0, "", 1000);
  std::uint64_t above = 0;
  events got;
  while (above < last()) {
    auto some = next(above, "", 7).get<events>();
    REQUIRE(some);
    REQUIRE_FALSE(some->empty());
    CHECK(some->size() <= 7);
    got.insert(got.end(), some->begin(), some->end());
    above = some->back().id;
  }
  CHECK(got == all);
}

TEST_CASE_METHOD(hub_fixture, "a quiet video's reader is served when the ring has long moved on", "[event_hub]") {
  config.ring = 4;
  restart();
  queued(a);
  auto waiting = next(last(), b);
  make_events(a, 20);
  CHECK_FALSE(waiting.answered());
  begin_upload(b);
  auto found = waiting.get<events>();
  REQUIRE(found->size() == 1);
  CHECK(found->front().video_hash == b);
}

TEST_CASE_METHOD(hub_fixture, "more events than one read has are all read", "[event_hub]") {
  config.batch = 3;
  restart();
  queued(a);
  *policy = [](const caf::message& message) {
    return test::begins_with(message, events_atom_v) ? test::fate{test::fate::kind::swallow, {}} : test::fate{};
  };
  make_events(a, 10);
  *policy = nullptr;
  pass(12s, 1s); // the read that was lost times out, and is done again
  CHECK(last() == *db->last_event());
}

TEST_CASE_METHOD(hub_fixture, "the catalog's silence and errors pass", "[event_hub]") {
  *policy = [](const caf::message& message) {
    return test::begins_with(message, last_atom_v) ? test::fate{test::fate::kind::refuse, {errc::io_failed, "disk"}}
                                                   : test::fate{};
  };
  restart();
  auto early = next(0);
  begin_upload(a);
  CHECK_FALSE(early.answered());
  *policy = nullptr;
  pass(2s);
  CHECK(early.get<events>()->size() == 1);

  // Who asks for older ones hears of the error.
  queued(b);
  config.ring = 1;
  restart();
  *policy = [](const caf::message&) { return test::fate{test::fate::kind::refuse, {errc::io_failed, "disk"}}; };
  CHECK(next(0).get<events>().error().code == errc::io_failed);
}

TEST_CASE_METHOD(hub_fixture, "told twice, or of nothing, the hub tells nobody twice", "[event_hub]") {
  auto waiting = next(0);
  for (auto i = 0; i < 3; ++i)
    tell(hub, outbox_atom_v);
  CHECK_FALSE(waiting.answered());
  begin_upload(a);
  for (auto i = 0; i < 3; ++i)
    tell(hub, outbox_atom_v);
  CHECK(waiting.get<events>()->size() == 1);
  CHECK_FALSE(next(last()).answered());
}

TEST_CASE_METHOD(hub_fixture, "an id that was never given out means the newest", "[event_hub]") {
  auto waiting = next(1'000'000);
  CHECK_FALSE(waiting.answered());
  begin_upload(a);
  CHECK(waiting.get<events>()->size() == 1);
}

TEST_CASE_METHOD(hub_fixture, "only so many wait", "[event_hub]") {
  config.max_readers = 1;
  restart();
  auto first = next(0);
  run();
  CHECK(first.answered() == false);
  auto second = next(0);
  run();
  CHECK(second.get<events>().error().code == errc::overloaded);
}
