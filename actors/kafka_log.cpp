#include "actors/kafka_log.hpp"

#include <spdlog/spdlog.h>

namespace vp {

void log_kafka(int severity, const std::string& text) {
  // A broker that is away is an error to librdkafka, many times over; that it is away, our own lines say once. What
  // ends its producer or consumer, we go on from with a new one.
  constexpr int critical = 2;
  spdlog::log(severity <= critical ? spdlog::level::warn : spdlog::level::debug, "librdkafka: {}", text);
}

} // namespace vp
