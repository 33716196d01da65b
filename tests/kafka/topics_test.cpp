#include "kafka/reader.hpp"
#include "kafka/topics.hpp"
#include "mock_cluster.hpp"

#include <chrono>

using namespace vp::kafka;
using namespace vp::kafka::test;
using namespace std::chrono_literals;

TEST_CASE("topics that exist are left alone", "[topics]") {
  mock_cluster cluster;
  auto settings = cluster.settings(3);
  settings.partitions = 5;
  CHECK(ensure_topics(settings, 5s)); // these brokers could make none
  CHECK(ensure_topics(settings, 5s));
}

TEST_CASE("why a topic could not be made is told", "[topics]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  SECTION("it is missing, and the brokers make none") {
    rd_kafka_mock_topic_set_error(cluster.get(), settings.dead_topic().c_str(),
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    const auto made = ensure_topics(settings, 500ms);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == RD_KAFKA_RESP_ERR__TIMED_OUT); // there is no controller
    CHECK_THAT(made.error().text, Catch::StartsWith("making topics: "));
  }
  SECTION("it may not even be asked for") {
    rd_kafka_mock_topic_set_error(cluster.get(), settings.events_topic.c_str(),
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    const auto made = ensure_topics(settings, 5s);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    CHECK_THAT(made.error().text, Catch::Contains("video-events") && Catch::Contains("authorization failed"));
  }
  SECTION("no broker is there") {
    cluster.down();
    const auto begin = std::chrono::steady_clock::now();
    const auto made = ensure_topics(settings, 500ms);
    CHECK(std::chrono::steady_clock::now() - begin < 1500ms);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == RD_KAFKA_RESP_ERR__TRANSPORT);
    CHECK_THAT(made.error().text, Catch::Contains("refused"));
  }
}

TEST_CASE("a topic is read from its beginning to its end", "[reader]") {
  mock_cluster cluster;
  const auto settings = cluster.settings(3);
  CHECK(read_all(settings, settings.jobs_topic, 5s)->empty());

  auto producer = producer::open(settings);
  std::vector<message> batch;
  for (int i = 0; i < 300; ++i)
    batch.push_back(numbered(settings.jobs_topic, i, 1, "key " + std::to_string(i)).front());
  REQUIRE(producer->send(batch).acknowledged == batch.size());
  for (int round = 0; round < 2; ++round) { // reading takes nothing away
    const auto records = read_all(settings, settings.jobs_topic, 5s);
    REQUIRE(records);
    CHECK(records->size() == batch.size());
    CHECK(std::is_sorted(records->begin(), records->end(), [](const auto& a, const auto& b) { return a.at < b.at; }));
    CHECK(records->front().at == position{0, 0});
    CHECK(records->back().at.partition == 2);
  }
}

TEST_CASE("a topic that is not there reads as empty", "[reader]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  rd_kafka_mock_topic_set_error(cluster.get(), settings.dead_topic().c_str(), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  const auto records = read_all(settings, settings.dead_topic(), 5s);
  REQUIRE(records);
  CHECK(records->empty());
}

TEST_CASE("reading ends in an error where no broker is there", "[reader]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  cluster.down();
  const auto begin = std::chrono::steady_clock::now();
  const auto records = read_all(settings, settings.jobs_topic, 500ms);
  CHECK(std::chrono::steady_clock::now() - begin < 1500ms);
  REQUIRE_FALSE(records);
  CHECK_THAT(records.error().text, Catch::Contains("refused"));
}
