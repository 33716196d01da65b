#pragma once

#include "kafka/error.hpp"

#include <functional>
#include <map>
#include <string>

namespace vp::kafka {

/// Which cluster, which topics, and what the user wants of librdkafka.
struct settings {
  std::string brokers; ///< `host:port,host:port`
  std::string jobs_topic = "video-processing";
  std::string events_topic = "video-events";
  std::string group = "vidpipeline";
  int partitions = 12; ///< of the jobs and of the events, where their topics have to be made

  /// By librdkafka's names, global ones and those of topics. Producers and consumers get them all; what concerns only
  /// the other kind does nothing.
  std::map<std::string, std::string> properties;

  /// Where the jobs go that can't be done: `jobs_topic` + `.dlq`.
  std::string dead_topic() const;
};

/// Gets librdkafka's own log: syslog's level (3 an error, 7 debugging) and a line. It is called from any thread, also
/// from several at once, so it must not call back into what it logs of.
using log_callback = std::function<void(int syslog_level, std::string text)>;

/// Whether producers and consumers can be made of `settings`; asks no broker and resolves no name. An error is
/// `RD_KAFKA_RESP_ERR__INVALID_ARG`, its text names the property at fault. What librdkafka refuses comes in its own
/// words; what our promises rest on (see `configuration.cpp`) is refused in ours, unless it is set to the same.
result<void> check(const settings& settings);

} // namespace vp::kafka
