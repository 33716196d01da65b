#include "cli/kafka_options.hpp"

#include "cli/commands.hpp"
#include "cli/configuration.hpp"

#include <array>
#include <cstdlib>
#include <utility>

namespace vp::cli {

namespace {

std::string check_property(const std::string& text) {
  auto middle = text.find('=');
  return middle == std::string::npos || middle == 0 ? "must be NAME=VALUE" : "";
}

} // namespace

std::optional<kafka::settings> kafka_options::chosen() const {
  if (settings.brokers.empty())
    return std::nullopt;
  auto made = settings;
  for (const auto& property : properties) {
    auto middle = property.find('=');
    made.properties[property.substr(0, middle)] = property.substr(middle + 1);
  }
  return made;
}

void add_kafka_options(CLI::App& command, kafka_options& options) {
  auto& settings = options.settings;
  option(command, "kafka", settings.brokers,
         "Kafka brokers, such as localhost:9092, for the job queue and the event log; none: the embedded queue");
  option(command, "kafka-topic", settings.jobs_topic, "Topic of the jobs; dead letters go to this name with .dlq");
  option(command, "kafka-events-topic", settings.events_topic, "Topic of the events");
  option(command, "kafka-group", settings.group, "Consumer group of all servers that share the jobs");
  option(command, "kafka-partitions", settings.partitions, "Partitions of topics that have to be created")
      ->check(CLI::Range(1, 10'000));
  option(command, kafka_property, options.properties,
         "A property of librdkafka, NAME=VALUE, such as security.protocol=SASL_SSL; also as a section [kafka] of the "
         "configuration file")
      ->check(check_property)
      ->type_name("NAME=VALUE")
      ->delimiter(';');
}

void adopt_kafka_environment() {
  constexpr std::array<std::pair<const char*, const char*>, 3> known{{
      {"KAFKA_BOOTSTRAP_SERVERS", "kafka"},
      {"KAFKA_VIDEO_TOPIC", "kafka-topic"},
      {"KAFKA_CONSUMER_GROUP", "kafka-group"},
  }};
  for (const auto& [theirs, ours] : known)
    if (const auto* value = std::getenv(theirs))
      ::setenv(variable_of(ours).c_str(), value, 0);
}

} // namespace vp::cli
