#include "kafka/consumer.hpp"
#include "mock_cluster.hpp"

#include <chrono>
#include <set>

using namespace vp::kafka;
using namespace vp::kafka::test;
using namespace std::chrono_literals;

namespace {

/// A consumer and all that has happened to it.
class member {
public:
  explicit member(const settings& settings) : consumer_(open(settings)) {}

  consumer* operator->() { return &consumer_; }

  void poll(std::chrono::milliseconds limit = 50ms) {
    auto what = consumer_.poll(limit);
    if (auto* one = std::get_if<record>(&what))
      records.push_back(std::move(*one));
    else if (auto* gained = std::get_if<vp::kafka::assigned>(&what)) {
      assigned.insert(gained->partitions.begin(), gained->partitions.end());
    } else if (auto* taken = std::get_if<vp::kafka::revoked>(&what)) {
      for (const auto partition : taken->partitions)
        assigned.erase(partition);
      revocations.push_back(*taken);
    } else if (auto* failed = std::get_if<error>(&what))
      errors.push_back(std::move(*failed));
  }

  /// Polls until something is so; not for ever.
  template <class F>
  bool until(F&& is_so, std::chrono::seconds limit = 30s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!is_so() && std::chrono::steady_clock::now() < deadline)
      poll();
    return is_so();
  }

  std::vector<std::string> values() const {
    std::vector<std::string> out;
    for (const auto& record : records)
      out.push_back(record.value.value_or("(none)"));
    return out;
  }

  std::vector<record> records;
  std::set<std::int32_t> assigned;
  std::vector<vp::kafka::revoked> revocations;
  std::vector<error> errors;

private:
  static consumer open(const settings& settings) {
    auto opened = consumer::open(settings);
    REQUIRE(opened);
    return std::move(*opened);
  }

  consumer consumer_;
};

void send(const settings& settings, int first, int count) {
  auto producer = producer::open(settings);
  REQUIRE(producer);
  REQUIRE(producer->send(numbered(settings.jobs_topic, first, count)).acknowledged == static_cast<std::size_t>(count));
}

std::vector<std::string> numbers(int first, int count) {
  std::vector<std::string> out;
  for (int i = first; i < first + count; ++i)
    out.push_back(std::to_string(i));
  return out;
}

/// What the brokers have for the group, `partition: offset`.
std::int64_t committed(const settings& settings, std::int32_t partition) {
  auto conf = configure(settings);
  REQUIRE(conf);
  auto asking = client::open(std::move(*conf), RD_KAFKA_CONSUMER, {});
  REQUIRE(asking);
  const partition_list list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), settings.jobs_topic.c_str(), partition);
  REQUIRE(rd_kafka_committed(asking->get(), list.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  return list->elems[0].offset;
}

} // namespace

TEST_CASE("jobs come in their order, also those from before the group existed", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 20);
  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 20; }));
  CHECK(one.assigned == std::set{0});
  CHECK(one.values() == numbers(0, 20));
  CHECK(one.records[7].at == position{0, 7});
  CHECK(one.records[7].key == "key");
  send(settings, 20, 5);
  REQUIRE(one.until([&] { return one.records.size() == 25; }));
  CHECK(one.values() == numbers(0, 25));
  CHECK(one.errors.empty());

  one->close();
  CHECK(std::holds_alternative<std::monostate>(one->poll(0ms)));
  one->close();
}

TEST_CASE("a successor goes on where was committed", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings(2);
  send(settings, 0, 20);
  std::int32_t partition = 0;
  {
    member one(settings);
    REQUIRE(one.until([&] { return one.records.size() == 20; }));
    partition = one.records.front().at.partition;
    one->commit({{partition, 3}, {7, 99}}); // 7 is not ours
    one->commit({{partition, 5}});
    one->commit({{partition, 12}});
  } // closed on the way out
  CHECK(committed(settings, partition) == 12);
  CHECK(committed(settings, 1 - partition) == RD_KAFKA_OFFSET_INVALID);
  member two(settings);
  REQUIRE(two.until([&] { return two.records.size() == 8; }));
  CHECK(two.values() == numbers(12, 8));
}

TEST_CASE("commits are written while polling, and again after a failure", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 20);
  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 20; }));
  one->commit({{0, 5}});
  REQUIRE(one.until([&] { return committed(settings, 0) == 5; }));

  cluster.fail_next(mock_cluster::offset_commit_request, {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED});
  one->commit({{0, 6}});
  one->commit({{0, 7}});
  REQUIRE(one.until([&] { return committed(settings, 0) == 7; }));
  REQUIRE(one.errors.size() == 1);
  CHECK(one.errors[0].code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
  CHECK_THAT(one.errors[0].text, Catch::StartsWith("committing offsets: "));
}

TEST_CASE("while paused nothing comes, and then the rest does, each once", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 500);
  member one(settings);

  SECTION("in the middle of what was read ahead") {
    REQUIRE(one.until([&] { return one.records.size() == 10; }));
  }
  SECTION("before anything is assigned") {
    one->pause();
    REQUIRE(one.until([&] { return !one.assigned.empty(); }));
  }
  one->pause();
  one->pause();
  const auto before = one.records.size();
  for (int i = 0; i < 30; ++i)
    one.poll();
  CHECK(one.records.size() == before);
  send(settings, 500, 10);
  one.poll(1000ms);
  CHECK(one.records.size() == before);
  one->resume();
  one->resume();
  REQUIRE(one.until([&] { return one.records.size() >= 510; }));
  for (int i = 0; i < 10; ++i)
    one.poll();
  CHECK(one.values() == numbers(0, 510));
}

TEST_CASE("partitions change hands, and none is read by two", "[consumer]") {
  mock_cluster cluster;
  auto settings = cluster.settings(4);
  settings.properties["max.poll.interval.ms"] = "5000";
  std::vector<message> batch;
  for (int i = 0; i < 40; ++i)
    batch.push_back(numbered(settings.jobs_topic, i, 1, "key " + std::to_string(i)).front());
  auto producer = producer::open(settings);
  REQUIRE(producer->send(batch).acknowledged == 40);

  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 40; }));
  REQUIRE(one.assigned.size() == 4);
  std::map<std::int32_t, std::int64_t> ends;
  for (const auto& record : one.records)
    ends[record.at.partition] = record.at.offset + 1;

  member two(settings);
  std::vector<position> all;
  for (const auto& [partition, end] : ends)
    all.push_back({partition, end});
  one->commit(all);
  REQUIRE(one.until([&] {
    two.poll(0ms);
    return one.assigned.size() == 2 && two.assigned.size() == 2;
  }));
  REQUIRE(one.revocations.size() == 1);
  CHECK_FALSE(one.revocations[0].lost);
  auto together = one.assigned;
  together.insert(two.assigned.begin(), two.assigned.end());
  CHECK(together == std::set{0, 1, 2, 3});

  REQUIRE(producer->send(batch).acknowledged == 40);
  REQUIRE(one.until([&] {
    two.poll(0ms);
    return one.records.size() + two.records.size() >= 80;
  }));
  // The new one begins where the old one was done, and the old one goes on where it was.
  CHECK(one.records.size() + two.records.size() == 80);
  for (const auto& record : two.records) {
    CHECK(two.assigned.contains(record.at.partition));
    CHECK(record.at.offset >= ends[record.at.partition]);
  }
  CHECK(two.revocations.empty());

  SECTION("one leaves, and the other gets everything") {
    one->close();
    CHECK(two.until([&] { return two.assigned.size() == 4; }));
  }
  SECTION("one does nothing any more, and the other gets everything") {
    CHECK(two.until([&] { return two.assigned.size() == 4; }));
    // It is told so when it does something again, and gets a share anew.
    REQUIRE(one.until([&] { return one.revocations.size() == 2; }));
    CHECK(one.revocations[1].lost);
    REQUIRE(one.errors.size() == 1);
    CHECK(one.errors[0].code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED);
    CHECK(one.until([&] {
      two.poll(0ms);
      return one.assigned.size() == 2 && two.assigned.size() == 2;
    }));
  }
}

TEST_CASE("what the group took away is told as lost", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 5);
  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 5; }));
  one->commit({{0, 2}});
  REQUIRE(one.until([&] { return committed(settings, 0) == 2; }));
  cluster.fail_next(mock_cluster::heartbeat_request, {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID});
  REQUIRE(one.until([&] { return !one.revocations.empty(); }));
  CHECK(one.revocations[0].lost);
  CHECK(one.revocations[0].partitions == std::vector{0});
  // It comes back, and what was not committed comes again.
  REQUIRE(one.until([&] { return one.records.size() == 8; }));
  auto expected = numbers(0, 5);
  for (const auto& again : numbers(2, 3))
    expected.push_back(again);
  CHECK(one.values() == expected);
}

namespace {

/// Whether the consumer was told of its brokers' absence, and then outlived it.
bool outlives_absence() {
  constexpr auto soon = 3s; // before the group forgets it
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 5);
  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 5; }));
  cluster.down();
  one->commit({{0, 3}});
  if (!one.until([&] { return !one.errors.empty(); }, soon))
    return false;
  CHECK(one.errors[0].code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
  cluster.up();
  send(settings, 5, 5);
  REQUIRE(one.until([&] { return one.records.size() >= 10; }));
  CHECK(one.values() == numbers(0, 10));
  CHECK(one.until([&] { return committed(settings, 0) == 3; }));
  return true;
}

} // namespace

TEST_CASE("a consumer outlives its brokers' absence", "[consumer]") {
  // librdkafka does not tell each time: seen 1 in 5.
  auto told = false;
  for (auto tries = 0; !told && tries < 5; ++tries)
    told = outlives_absence();
  REQUIRE(told);
}

TEST_CASE("closing has a limit where no broker is there", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  send(settings, 0, 5);
  member one(settings);
  REQUIRE(one.until([&] { return one.records.size() == 5; }));
  cluster.down();
  one->commit({{0, 3}});
  const auto begin = std::chrono::steady_clock::now();
  one->close();
  CHECK(std::chrono::steady_clock::now() - begin < 6s);
}

TEST_CASE("a consumer may be there before its brokers", "[consumer]") {
  mock_cluster cluster;
  const auto settings = cluster.settings();
  cluster.down();
  member one(settings);
  CHECK(one.until([&] { return !one.errors.empty(); }));
  CHECK_THAT(one.errors[0].text, Catch::Contains("refused"));
  cluster.up();
  send(settings, 0, 3);
  CHECK(one.until([&] { return one.records.size() == 3; }));
}
