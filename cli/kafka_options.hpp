#pragma once

#include "kafka/settings.hpp"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vp::cli {

/// Where Kafka is and how to talk to it, for each command that does.
struct kafka_options {
  kafka::settings settings;
  std::vector<std::string> properties; ///< `name=value`, librdkafka's own

  /// Empty where no broker is named: then everything works without Kafka.
  std::optional<kafka::settings> chosen() const;
};

void add_kafka_options(CLI::App& command, kafka_options& options);

/// The variables that Kafka's users know mean ours where ours are not set.
void adopt_kafka_environment();

} // namespace vp::cli
