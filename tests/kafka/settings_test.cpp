#include "kafka/consumer.hpp"
#include "kafka/settings.hpp"
#include "mock_cluster.hpp"

#include <chrono>
#include <mutex>

using namespace vp::kafka;
using namespace vp::kafka::test;

namespace {

settings plain() {
  settings made;
  made.brokers = "kafka.invalid:9092,[::1]:9093";
  return made;
}

std::string refusal(const settings& settings) {
  const auto checked = check(settings);
  if (checked)
    return "nothing is wrong";
  CHECK(checked.error().code == RD_KAFKA_RESP_ERR__INVALID_ARG);
  return checked.error().text;
}

std::string refusal(const std::string& name, const std::string& value) {
  auto settings = plain();
  settings.properties[name] = value;
  return refusal(settings);
}

} // namespace

TEST_CASE("settings are checked without a broker", "[settings]") {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(check(plain()));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("what is missing or misspelt in our own settings is told", "[settings]") {
  auto settings = plain();
  SECTION("no brokers") {
    settings.brokers = GENERATE("", " ", ",", " , ");
    CHECK(refusal(settings) == "no brokers are given");
  }
  SECTION("brokers of another protocol") {
    settings.brokers = "one:9092,SSL://two:9093";
    CHECK_THAT(refusal(settings), Catch::Contains("two:9093") && Catch::Contains("does not match security.protocol"));
  }
  SECTION("a topic's name") {
    settings.jobs_topic = GENERATE(as<std::string>{}, "", "a b", "jobs/1", "..", std::string(246, 'x'));
    CHECK_THAT(refusal(settings), Catch::Contains("is not a topic's name"));
  }
  SECTION("one topic for two things") {
    settings.events_topic = GENERATE("video-processing", "video-processing.dlq");
    CHECK_THAT(refusal(settings), Catch::Contains(settings.events_topic));
  }
  SECTION("no group") {
    settings.group.clear();
    CHECK_THAT(refusal(settings), Catch::Contains("group"));
  }
  SECTION("no partitions") {
    settings.partitions = GENERATE(0, -1);
    CHECK_THAT(refusal(settings), Catch::Contains("partition"));
  }
}

TEST_CASE("what librdkafka refuses comes in its words", "[settings]") {
  CHECK(refusal("no.such.thing", "1") == "No such configuration property: \"no.such.thing\"");
  CHECK(refusal("security.protocol", "tls")
        == "Invalid value \"tls\" for configuration property \"security.protocol\"");
  CHECK(refusal("session.timeout.ms", "0")
        == "Configuration property \"session.timeout.ms\" value 0 is outside allowed range 1..3600000");
  CHECK(refusal("socket.keepalive.enable", "maybe")
        == "Expected bool value for \"socket.keepalive.enable\": true or false");
  CHECK_THAT(refusal("error_cb", "1"), Catch::Contains("error_cb"));

  SECTION("values that don't go together, of a consumer") {
    CHECK(refusal("max.poll.interval.ms", "2000") == "`max.poll.interval.ms`must be >= `session.timeout.ms`");
  }
  SECTION("values that don't go together, of a producer") {
    CHECK_THAT(refusal("max.in.flight", "6"), Catch::Contains("`max.in.flight` must be set <= 5"));
  }
  SECTION("what a secure connection needs") {
    auto settings = plain();
    settings.properties = {{"security.protocol", "ssl"}, {"ssl.ca.location", "/no/such/authority.pem"}};
    CHECK_THAT(refusal(settings), Catch::Contains("ssl.ca.location"));
    settings.properties = {{"security.protocol", "sasl_plaintext"}, {"sasl.mechanism", "FOO"}};
    CHECK_THAT(refusal(settings), Catch::Contains("FOO"));
  }
}

TEST_CASE("what our promises rest on stays as it is, by any name", "[settings]") {
  const auto [name, value, needed] = GENERATE(table<std::string, std::string, std::string>({
      {"acks", "1", "\"acks\" has to be"},
      {"request.required.acks", "0", "\"acks\" has to be"},
      {"enable.idempotence", "false", "\"enable.idempotence\" has to be \"true\""},
      {"enable.gapless.guarantee", "0", "\"enable.gapless.guarantee\" has to be \"true\""},
      {"transactional.id", "x", "\"transactional.id\" has to stay unset"},
      {"message.timeout.ms", "60000", "\"message.timeout.ms\" has to be \"0\""},
      {"delivery.timeout.ms", "60000", "\"message.timeout.ms\" has to be \"0\""},
      {"delivery.report.only.error", "true", "\"delivery.report.only.error\" has to be \"false\""},
      {"partitioner", "random", "\"partitioner\" has to be \"murmur2_random\""},
      {"enable.auto.commit", "true", "\"enable.auto.commit\" has to be \"false\""},
      {"enable.auto.offset.store", "true", "\"enable.auto.offset.store\" has to be \"false\""},
      {"auto.offset.reset", "latest", "\"auto.offset.reset\" has to be"},
      {"partition.assignment.strategy", "range", "has to be \"cooperative-sticky\""},
      {"enable.partition.eof", "true", "\"enable.partition.eof\" has to be \"false\""},
      {"allow.auto.create.topics", "true", "\"allow.auto.create.topics\" has to be \"false\""},
      {"group.id", "others", "\"group.id\" has to be \"vidpipeline\""},
      {"bootstrap.servers", "elsewhere:9092", "\"bootstrap.servers\" has to be"},
      {"metadata.broker.list", "elsewhere:9092", "\"bootstrap.servers\" has to be"},
      {"enabled_events", "1", "\"enabled_events\" has to"},
      {"log.queue", "true", "\"log.queue\" has to be \"false\""},
  }));
  const auto text = refusal(name, value);
  CHECK_THAT(text, Catch::Contains("\"" + name + "\" cannot be set to \"" + value + "\""));
  CHECK_THAT(text, Catch::Contains(needed));
}

TEST_CASE("what we need may be set to just that, and all the rest to anything", "[settings]") {
  auto settings = plain();
  settings.properties = {
      {"acks", "-1"},
      {"enable.idempotence", "1"},
      {"enable.auto.commit", "FALSE"},
      {"group.id", settings.group},
      {"auto.offset.reset", "smallest"},
      {"session.timeout.ms", "30000"},
      {"compression.type", "zstd"},
      {"client.rack", "a"},
      {"max.in.flight", "1"},
      {"security.protocol", "sasl_ssl"},
      {"sasl.mechanism", "SCRAM-SHA-512"},
      {"sasl.username", "u"},
      {"sasl.password", "p"},
  };
  CHECK(refusal(settings) == "nothing is wrong");
}

TEST_CASE("no warning comes of a property that concerns the other kind", "[settings]") {
  mock_cluster cluster;
  auto settings = cluster.settings();
  settings.properties.insert({{"compression.type", "gzip"}, {"fetch.wait.max.ms", "100"}});
  std::mutex mutex;
  std::vector<std::string> lines;
  const auto log = [&](int level, std::string text) {
    const std::lock_guard lock(mutex);
    if (level <= 5 && text.starts_with("CONFWARN"))
      lines.push_back(std::move(text));
  };
  CHECK(producer::open(settings, log)->probe(std::chrono::seconds(5)));
  CHECK(consumer::open(settings, log));
  CHECK(lines == std::vector<std::string>{});

  settings.properties["sasl.mechanism"] = "PLAIN"; // and no security.protocol that would use it
  CHECK(producer::open(settings, log));
  CHECK(lines.size() == 1);
}
