#include "kafka/producer.hpp"
#include "kafka/reader.hpp"
#include "mock_cluster.hpp"

#include <chrono>
#include <thread>

using namespace vp::kafka;
using namespace vp::kafka::test;
using namespace std::chrono_literals;

namespace {

producer open(const settings& settings) {
  auto opened = producer::open(settings);
  REQUIRE(opened);
  return std::move(*opened);
}

std::vector<std::string> values(const settings& settings, const std::string& topic) {
  const auto records = read_all(settings, topic, 10s);
  REQUIRE(records);
  std::vector<std::string> out;
  for (const auto& record : *records)
    out.push_back(record.value.value_or("(none)"));
  return out;
}

std::vector<std::string> numbers(int first, int count) {
  std::vector<std::string> out;
  for (int i = first; i < first + count; ++i)
    out.push_back(std::to_string(i));
  return out;
}

/// Whether `later` follows on `earlier`, once what was sent again is taken for sent once.
bool in_order(const std::vector<std::string>& values) {
  return std::is_sorted(values.begin(), values.end(),
                        [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); });
}

} // namespace

TEST_CASE("a batch is acknowledged, and lies there in its order", "[producer]") {
  mock_cluster cluster(3);
  const auto settings = cluster.settings(4);
  auto producer = open(settings);
  CHECK(producer.send({}).acknowledged == 0);

  std::vector<message> batch;
  for (int i = 0; i < 400; ++i)
    batch.push_back(numbered(settings.events_topic, i, 1, "key " + std::to_string(i % 7)).front());
  const auto sent = producer.send(batch);
  CHECK_FALSE(sent.problem);
  CHECK(sent.acknowledged == batch.size());

  const auto records = read_all(settings, settings.events_topic, 10s);
  REQUIRE(records);
  REQUIRE(records->size() == batch.size());
  std::map<std::string, std::vector<std::string>> by_key;
  std::map<std::string, std::int32_t> partitions;
  for (const auto& record : *records) {
    by_key[*record.key].push_back(*record.value);
    CHECK(partitions.try_emplace(*record.key, record.at.partition).first->second == record.at.partition);
  }
  CHECK(by_key.size() == 7);
  for (const auto& [key, of_key] : by_key)
    CHECK(in_order(of_key));
}

TEST_CASE("a message comes out as it went in", "[producer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  auto producer = open(settings);
  const std::string binary("\0\xff\n", 3);
  const std::vector<message> batch{
      {.topic = settings.jobs_topic, .key = "k", .value = "v", .headers = {{"a", binary}, {"a", ""}}},
      {.topic = settings.jobs_topic, .key = binary, .value = binary, .headers = {}},
      {.topic = settings.jobs_topic, .key = "tombstone", .value = std::nullopt, .headers = {}},
      {.topic = settings.jobs_topic, .key = "", .value = "", .headers = {}},
      {.topic = settings.jobs_topic, .key = "large", .value = std::string(200'000, 'x'), .headers = {}},
  };
  REQUIRE(producer.send(batch).acknowledged == batch.size());

  const auto records = read_all(settings, settings.jobs_topic, 10s);
  REQUIRE(records);
  REQUIRE(records->size() == batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& record = (*records)[i];
    CHECK(record.topic == settings.jobs_topic);
    CHECK(record.at == position{0, static_cast<std::int64_t>(i)});
    CHECK(record.key.value_or("") == batch[i].key);
    CHECK(record.value.has_value() == batch[i].value.has_value());
    CHECK(record.value_size == batch[i].value.value_or("").size());
    CHECK(record.value.value_or("") == batch[i].value.value_or("").substr(0, kept_value_size));
    CHECK(record.headers == batch[i].headers);
    CHECK(record.timestamp_ms > 1'600'000'000'000);
  }
}

TEST_CASE("faults that pass are retried, and nothing is lost or reordered", "[producer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  auto producer = open(settings);
  REQUIRE(producer.send(numbered(settings.events_topic, 0, 1)).acknowledged == 1);

  SECTION("errors of a broker") {
    cluster.fail_next(mock_cluster::produce_request,
                      {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                       RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT});
  }
  SECTION("a connection that breaks") {
    cluster.fail_next(mock_cluster::produce_request, {RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__TRANSPORT});
  }
  const auto sent = producer.send(numbered(settings.events_topic, 1, 50));
  CHECK_FALSE(sent.problem);
  CHECK(sent.acknowledged == 50);
  CHECK(values(settings, settings.events_topic) == numbers(0, 51));
}

TEST_CASE("a fault that does not pass ends its batch, and the next one begins afresh", "[producer]") {
  mock_cluster cluster;
  auto settings = cluster.settings();
  settings.properties["batch.num.messages"] = "10"; // of a request
  auto producer = open(settings);
  REQUIRE(producer.send(numbered(settings.events_topic, 0, 1)).acknowledged == 1);

  cluster.fail_next(mock_cluster::produce_request, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  const auto failed = producer.send(numbered(settings.events_topic, 1, 100));
  CHECK(failed.acknowledged == 0);
  REQUIRE(failed.problem);
  CHECK(failed.problem->code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  CHECK_THAT(failed.problem->text, Catch::Contains("authorization failed"));

  const auto sent = producer.send(numbered(settings.events_topic, 1, 100));
  CHECK_FALSE(sent.problem);
  CHECK(sent.acknowledged == 100);
  auto written = values(settings, settings.events_topic);
  // What had been written of the failed batch is there twice, all of it in front of what was sent again.
  REQUIRE(written.size() >= 101);
  CHECK(std::vector(written.end() - 100, written.end()) == numbers(1, 100));
  written.resize(written.size() - 100);
  CHECK(in_order(written));
}

TEST_CASE("a batch waits for brokers that are away for a moment", "[producer]") {
  mock_cluster cluster(2);
  const auto settings = cluster.settings();
  auto producer = open(settings);
  REQUIRE(producer.send(numbered(settings.events_topic, 0, 10)).acknowledged == 10);
  cluster.down();
  producer::outcome sent;
  std::thread sender([&] { sent = producer.send(numbered(settings.events_topic, 10, 10)); });
  while (producer::open(settings)->probe(50ms)) // the last connection is closed
    std::this_thread::yield();
  cluster.up();
  sender.join();
  CHECK_FALSE(sent.problem);
  CHECK(sent.acknowledged == 10);
  CHECK(values(settings, settings.events_topic) == numbers(0, 20));
}

TEST_CASE("brokers that stay away fail a batch in time, and none of it comes later", "[producer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  auto producer = open(settings);
  REQUIRE(producer.send(numbered(settings.events_topic, 0, 10)).acknowledged == 10);
  cluster.down();
  const auto begin = std::chrono::steady_clock::now();
  const auto failed = producer.send(numbered(settings.events_topic, 1000, 10));
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK(failed.acknowledged == 0);
  REQUIRE(failed.problem);
  CHECK(failed.problem->code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
  CHECK_THAT(failed.problem->text, Catch::Contains("refused")); // what was wrong
  CHECK(took > producer::acknowledge_limit - 50ms);
  CHECK(took < producer::acknowledge_limit + 1s);

  const auto probed = producer.probe(200ms);
  REQUIRE_FALSE(probed);
  CHECK(probed.error().code == RD_KAFKA_RESP_ERR__TRANSPORT);

  cluster.up();
  const auto sent = producer.send(numbered(settings.events_topic, 10, 10));
  CHECK_FALSE(sent.problem);
  CHECK(sent.acknowledged == 10);
  CHECK(values(settings, settings.events_topic) == numbers(0, 20));
  CHECK(producer.probe(5s));
}

TEST_CASE("the leading messages count, whatever was acknowledged behind them", "[producer]") {
  mock_cluster cluster(2);
  auto settings = cluster.settings();
  REQUIRE(rd_kafka_mock_partition_set_leader(cluster.get(), settings.events_topic.c_str(), 0, 1)
          == RD_KAFKA_RESP_ERR_NO_ERROR);
  REQUIRE(rd_kafka_mock_partition_set_leader(cluster.get(), settings.jobs_topic.c_str(), 0, 2)
          == RD_KAFKA_RESP_ERR_NO_ERROR);
  auto producer = open(settings);
  REQUIRE(producer.send(numbered(settings.events_topic, 0, 1)).acknowledged == 1);
  REQUIRE(producer.send(numbered(settings.jobs_topic, 0, 1)).acknowledged == 1);
  REQUIRE(rd_kafka_mock_broker_set_down(cluster.get(), 1) == RD_KAFKA_RESP_ERR_NO_ERROR);

  auto batch = numbered(settings.jobs_topic, 1, 3);
  for (const auto& topic : {settings.events_topic, settings.jobs_topic})
    batch.push_back(numbered(topic, 4, 1).front());
  const auto failed = producer.send(batch);
  CHECK(failed.acknowledged == 3);
  CHECK(failed.problem);
  CHECK(values(settings, settings.jobs_topic) == numbers(0, 5));
}

TEST_CASE("a message that is too large stops its batch in front of itself", "[producer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  auto producer = open(settings);
  auto batch = numbered(settings.events_topic, 0, 5);
  batch[3].value = std::string(2'000'000, 'x');
  const auto sent = producer.send(batch);
  CHECK(sent.acknowledged == 3);
  REQUIRE(sent.problem);
  CHECK(sent.problem->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  CHECK(producer.send(numbered(settings.events_topic, 3, 2)).acknowledged == 2);
  CHECK(values(settings, settings.events_topic) == numbers(0, 5));
}

TEST_CASE("a topic that is not there is told as that", "[producer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  rd_kafka_mock_topic_set_error(cluster.get(), settings.events_topic.c_str(), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  auto producer = open(settings);
  const auto sent = producer.send(numbered(settings.events_topic, 0, 5));
  CHECK(sent.acknowledged == 0);
  REQUIRE(sent.problem);
  CHECK(sent.problem->code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  CHECK_THAT(sent.problem->text, Catch::Contains(settings.events_topic));
}

TEST_CASE("a batch may be larger than librdkafka's queue", "[producer]") {
  mock_cluster cluster;
  auto settings = cluster.settings();
  settings.properties["queue.buffering.max.messages"] = "10";
  auto producer = open(settings);
  CHECK(producer.send(numbered(settings.events_topic, 0, 95)).acknowledged == 95);
  CHECK(values(settings, settings.events_topic) == numbers(0, 95));
}

TEST_CASE("a cluster tells its id", "[producer]") {
  mock_cluster cluster;
  auto producer = open(cluster.settings());
  const auto id = producer.probe(5s);
  REQUIRE(id);
  CHECK_THAT(*id, Catch::StartsWith("mockCluster"));
}
