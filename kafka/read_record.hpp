#pragma once

#include "kafka/record.hpp"

#include <librdkafka/rdkafka.h>

namespace vp::kafka {

/// A message of librdkafka's that was read without an error.
record read_record(const rd_kafka_message_t& message);

} // namespace vp::kafka
