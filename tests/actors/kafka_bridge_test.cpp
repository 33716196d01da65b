#include "actors/kafka_bridge.hpp"
#include "actors/outbox_publisher.hpp"
#include "kafka/formats.hpp"
#include "kafka/reader.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"
#include "tests/kafka/mock_cluster.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <thread>

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');
const std::string c = hash_of('c');

using deliveries = std::shared_ptr<std::vector<job>>;

job_consumer::behavior_type logging_consumer(job_consumer::pointer, deliveries log) {
  return {[log](deliver_atom, const job& what) { log->push_back(what); }};
}

strings hashes(const deliveries& log) {
  strings all;
  for (auto& one : *log)
    all.push_back(one.video_hash);
  std::sort(all.begin(), all.end());
  return all;
}

/// One server's part of the queue, over librdkafka's own brokers. The actors' time is the test's, the brokers' is not.
struct kafka_fixture : test::storage_fixture {
  kafka::test::mock_cluster cluster;
  kafka::settings settings = cluster.settings(4);
  outbox_publisher_actor publisher = start_publisher("me");
  deliveries log = std::make_shared<std::vector<job>>();
  std::size_t most_held = 1000;
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
  job_consumer consumer = spawn(logging_consumer, log);
  job_queue_actor queue = start_bridge();

  outbox_publisher_actor start_publisher(const std::string& owner) {
    outbox_publisher_config config;
    config.catalog = catalog;
    config.folder = folder;
    config.kafka = settings;
    config.owner = owner;
    return spawn(outbox_publisher, config);
  }

  job_queue_actor start_bridge() {
    kafka_bridge_config config;
    config.catalog = catalog;
    config.publisher = publisher;
    config.kafka = settings;
    config.most_held = most_held;
    config.metrics = metrics;
    return spawn(kafka_bridge, config);
  }

  /// As the end of its process, but for its claims.
  template <class Handle>
  void stop(const Handle& which) {
    caf::anon_send_exit(which, caf::exit_reason::kill);
    run();
  }

  void subscribe(std::uint32_t credit = 10) { tell(queue, subscribe_atom_v, consumer, credit); }

  bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit = 30s) {
    for (auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
      pass(100ms);
      if (condition())
        return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  /// Whether nothing more is delivered while something else makes its way through the same queue.
  void another_comes_and_nothing_else(const std::string& hash) {
    auto before = log->size();
    queued(hash);
    REQUIRE(eventually([&] { return log->size() > before; }));
    CHECK(log->size() == before + 1);
    CHECK(log->back().video_hash == hash);
  }

  void put_into_topic(const std::string& key, const std::string& value) {
    auto producer = kafka::producer::open(settings);
    REQUIRE(producer);
    const std::vector<kafka::message> batch{{settings.jobs_topic, key, value, {}}};
    REQUIRE_FALSE(producer->send(batch).problem);
  }

  std::vector<kafka::dead_letter> dead_letters() {
    auto records = kafka::read_all(settings, settings.dead_topic(), 10s);
    REQUIRE(records);
    std::vector<kafka::dead_letter> letters;
    for (auto& record : *records)
      if (auto letter = kafka::from_record(record))
        letters.push_back(*letter);
    return letters;
  }

  /// The events of the topic as `kind`, those of one video in their order; an id that comes again is left out.
  strings published_kinds(const std::string& hash) {
    auto records = kafka::read_all(settings, settings.events_topic, 10s);
    REQUIRE(records);
    strings kinds;
    std::int64_t last = 0;
    std::set<std::int64_t> seen;
    for (auto& record : *records) {
      auto event = kafka::parse_event(record.value.value_or(""));
      REQUIRE(event);
      if (record.key != hash || !seen.insert(event->id).second)
        continue;
      CHECK(event->id > last);
      CHECK(event->video_hash == hash);
      last = event->id;
      kinds.push_back(event->kind);
    }
    return kinds;
  }

  bool broker_answers() {
    auto status = ask<queue_status>(queue, status_atom_v);
    return status && status->ok;
  }
};

} // namespace

TEST_CASE_METHOD(kafka_fixture, "a finalized video's job comes through Kafka, and its events stand in their topic",
                 "[kafka_bridge]") {
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return !log->empty(); }));
  CHECK(hashes(log) == strings{a});
  CHECK(published_kinds(a) == strings{"created", "queued"});
  tell(queue, ack_atom_v, log->front().id);
  another_comes_and_nothing_else(b);
  CHECK(dead_letters().empty());
}

TEST_CASE_METHOD(kafka_fixture, "what was acknowledged stays done after a restart, and what was not comes again",
                 "[kafka_bridge]") {
  subscribe();
  for (auto& hash : {a, b, c})
    queued(hash);
  REQUIRE(eventually([&] { return log->size() == 3; }));
  for (auto& one : *log)
    if (one.video_hash != b)
      tell(queue, ack_atom_v, one.id);
  pass(1s); // commits go out with the next poll
  stop(queue);
  log->clear();
  queue = start_bridge();
  subscribe();
  REQUIRE(eventually([&] { return !log->empty(); }, 60s));
  // Kafka knows one number a partition: what lay behind `b` in its partition may come again, too.
  CHECK(std::count(log->begin(), log->end(), job{log->front().id, b}) == 1);
  auto again = hashes(log);
  CHECK(std::count(again.begin(), again.end(), b) == 1);
}

TEST_CASE_METHOD(kafka_fixture, "a consumer has no more of Kafka's jobs than it gave credit for", "[kafka_bridge]") {
  subscribe(2);
  for (auto& hash : {a, b, c})
    queued(hash);
  REQUIRE(eventually([&] { return log->size() == 2; }));
  pass(5s);
  CHECK(log->size() == 2);
  tell(queue, ack_atom_v, log->front().id);
  REQUIRE(eventually([&] { return log->size() == 3; }));
  tell(queue, drain_atom_v, consumer);
  tell(queue, later_atom_v, log->back().id, caf::timespan::zero(), std::string{"ending"});
  pass(5s);
  CHECK(log->size() == 3);
}

TEST_CASE_METHOD(kafka_fixture, "a job of Kafka's that is put off comes again after its time", "[kafka_bridge]") {
  subscribe(1);
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  tell(queue, later_atom_v, log->front().id, caf::timespan{30s}, std::string{"busy"});
  pass(29s);
  CHECK(log->size() == 1);
  pass(2s);
  CHECK(log->size() == 2);
  // Its credit had been given back.
  CHECK(hashes(log) == strings{a, a});
}

TEST_CASE_METHOD(kafka_fixture, "a job that can't be done becomes a dead letter with the reason", "[kafka_bridge]") {
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  REQUIRE(db->fail_job(claimed(a), "It can't be read."));
  tell(queue, dead_atom_v, log->front().id, std::string{"It can't be read."});
  REQUIRE(eventually([&] { return !dead_letters().empty(); }));
  auto letter = dead_letters().front();
  CHECK(letter.key == a);
  CHECK(letter.reason == "It can't be read.");
  CHECK(letter.attempts == 1);
  CHECK(letter.origin.starts_with("video-processing/"));
  CHECK(kafka::parse_job(letter.value)->video_hash == a);
  another_comes_and_nothing_else(b);
}

TEST_CASE_METHOD(kafka_fixture, "what is no job of ours becomes a dead letter and stops nothing", "[kafka_bridge]") {
  subscribe();
  REQUIRE(eventually([&] { return broker_answers(); }));
  put_into_topic("x", "not JSON");
  put_into_topic("y", std::string(100'000, '['));
  put_into_topic(c, kafka::job_value(c, "/somewhere"));
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1 && dead_letters().size() == 3; }));
  CHECK(hashes(log) == strings{a});
  for (auto& letter : dead_letters()) {
    INFO(letter.key);
    CHECK_FALSE(letter.reason.empty());
    if (letter.key == c)
      CHECK(letter.reason == "there is no such video");
  }
}

TEST_CASE_METHOD(kafka_fixture, "what is no job of ours is buried while jobs wait for credit", "[kafka_bridge]") {
  subscribe(1);
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  queued(b);
  REQUIRE(eventually([&] { return metrics->jobs_in_hand.Value() == 2; }));
  pass(1s);
  put_into_topic("x", "not JSON");
  cluster.fail_next(kafka::test::mock_cluster::produce_request, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  REQUIRE(eventually([&] { return dead_letters().size() == 1; }));
  CHECK(log->size() == 1);
}

TEST_CASE_METHOD(kafka_fixture, "no more than a number of messages is held, also of one video", "[kafka_bridge]") {
  stop(queue);
  most_held = 4;
  queue = start_bridge();
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  for (int i = 0; i < 10; ++i)
    put_into_topic(a, kafka::job_value(a, ""));
  const auto waits_for = [&](const char* what) {
    INFO(what);
    for (int i = 0; i < 20; ++i) {
      pass(100ms);
      std::this_thread::sleep_for(10ms);
    }
    CHECK(log->size() == 1);
  };
  waits_for("the ten");
  queued(b);
  waits_for("the other video");
  auto mine = claimed(a);
  REQUIRE(db->store_plan(mine, {}));
  REQUIRE(db->complete(mine));
  tell(queue, ack_atom_v, log->front().id);
  REQUIRE(eventually([&] { return log->size() == 2; }));
  CHECK(log->back().video_hash == b);
}

TEST_CASE_METHOD(kafka_fixture, "brokers that are far away are reached all the same", "[kafka_bridge]") {
  cluster.far_away(350ms);
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }, 60s));
  CHECK(published_kinds(a) == strings{"created", "queued"});
}

TEST_CASE_METHOD(kafka_fixture, "an event that is too large for the brokers stops nothing", "[kafka_bridge]") {
  stop(publisher);
  settings.properties["message.max.bytes"] = "2000";
  publisher = start_publisher("me");
  queued(a);
  auto mine = claimed(a);
  REQUIRE(db->fail_job(mine, std::string(5000, 'x')));
  queued(b);
  REQUIRE(eventually([&] { return published_kinds(b).size() == 2; }));
  CHECK(published_kinds(a) == strings{"created", "queued", "started", "failed"});
}

TEST_CASE_METHOD(kafka_fixture, "the job of a video that was deleted is no dead letter", "[kafka_bridge]") {
  queued(a);
  REQUIRE(eventually([&] { return published_kinds(a).size() == 2; }));
  REQUIRE(db->remove(a));
  subscribe();
  another_comes_and_nothing_else(b);
  CHECK(dead_letters().empty());
}

TEST_CASE_METHOD(kafka_fixture, "a job that comes twice does nothing twice", "[kafka_bridge]") {
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  put_into_topic(a, kafka::job_value(a, ""));
  another_comes_and_nothing_else(b);
  // Done by now: the second one has nothing to say.
  auto mine = claimed(a);
  REQUIRE(db->store_plan(mine, {}));
  REQUIRE(db->complete(mine));
  tell(queue, ack_atom_v, log->front().id);
  another_comes_and_nothing_else(c);
}

TEST_CASE_METHOD(kafka_fixture, "a second message that speaks of a new start is not lost with the first",
                 "[kafka_bridge]") {
  subscribe();
  queued(a);
  REQUIRE(eventually([&] { return log->size() == 1; }));
  auto mine = claimed(a);
  REQUIRE(db->fail_job(mine, "broken"));
  REQUIRE(ask<video>(catalog, retry_atom_v, a));
  // The word that the first one failed comes after the second one.
  REQUIRE(eventually([&] { return published_kinds(a).size() == 5; }));
  pass(1s);
  tell(queue, dead_atom_v, log->front().id, std::string{"broken"});
  REQUIRE(eventually([&] { return log->size() == 2; }));
  CHECK(hashes(log) == strings{a, a});
}

TEST_CASE_METHOD(kafka_fixture, "errors of the broker cost no event and no order", "[kafka_bridge]") {
  REQUIRE(eventually([&] { return broker_answers(); }));
  cluster.fail_next(kafka::test::mock_cluster::produce_request,
                    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                     RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT});
  subscribe();
  for (auto& hash : {a, b, c})
    queued(hash);
  REQUIRE(eventually([&] { return log->size() == 3; }, 60s));
  // One that ends the producer: it begins anew where the outbox is not marked.
  cluster.fail_next(kafka::test::mock_cluster::produce_request, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const auto d = hash_of('d');
  queued(d);
  REQUIRE(eventually([&] { return log->size() == 4; }, 60s));
  for (auto& hash : {a, b, c, d})
    CHECK(published_kinds(hash) == strings{"created", "queued"});
}

TEST_CASE_METHOD(kafka_fixture, "while the broker is away everything waits, and then catches up", "[kafka_bridge]") {
  subscribe();
  REQUIRE(eventually([&] { return broker_answers(); }));
  cluster.down();
  queued(a);
  REQUIRE(eventually([&] { return !broker_answers(); }));
  auto status = ask<queue_status>(queue, status_atom_v);
  REQUIRE(status);
  CHECK(status->kind == "kafka");
  CHECK_FALSE(status->detail.empty());
  CHECK(status->unpublished > 0);
  CHECK(db->get(a)->status == video_status::queued);
  cluster.up();
  REQUIRE(eventually([&] { return log->size() == 1; }, 60s));
  REQUIRE(eventually([&] { return broker_answers(); }));
  CHECK(published_kinds(a) == strings{"created", "queued"});
}

TEST_CASE_METHOD(kafka_fixture, "one of two publishers publishes, and the other one after its end", "[kafka_bridge]") {
  auto second = start_publisher("other");
  queued(a);
  REQUIRE(eventually([&] { return published_kinds(a).size() == 2; }));
  auto holder = db->next_publication("me", "any", 15s, 1) ? publisher : second;
  caf::anon_send_exit(holder, caf::exit_reason::kill);
  run();
  queued(b);
  REQUIRE(eventually([&] { return published_kinds(b).size() == 2; }, 60s));
}

TEST_CASE_METHOD(kafka_fixture, "two servers share the jobs, and one takes over what the other leaves",
                 "[kafka_bridge]") {
  subscribe(100);
  const auto others = std::make_shared<std::vector<job>>();
  auto other_consumer = spawn(logging_consumer, others);
  auto other = start_bridge();
  tell(other, subscribe_atom_v, job_consumer{other_consumer}, std::uint32_t{100});
  // Until the group has settled, both read from the same partitions one after the other.
  strings all;
  for (auto digit : std::string{"0123456789abcdef"}) {
    for (auto second : {'0', '7'}) {
      auto hash = std::string(63, digit) + second;
      queued(hash);
      all.push_back(hash);
    }
  }
  REQUIRE(eventually([&] { return log->size() + others->size() >= all.size(); }, 60s));
  // Nothing is acknowledged, so the end of one brings all of its jobs to the other.
  stop(other);
  REQUIRE(eventually(
      [&] {
        auto here = hashes(log);
        return std::set<std::string>(here.begin(), here.end()).size() == all.size();
      },
      60s));
}
