#include "kafka/read_record.hpp"

#include <algorithm>

namespace vp::kafka {

namespace {

std::string text(const void* data, std::size_t size) {
  return size == 0 ? std::string() : std::string(static_cast<const char*>(data), size);
}

headers read_headers(const rd_kafka_message_t& message) {
  headers out;
  rd_kafka_headers_t* from = nullptr; // belongs to the message
  if (rd_kafka_message_headers(&message, &from))
    return out;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; !rd_kafka_header_get_all(from, i, &name, &value, &size); ++i)
    out.emplace_back(name, text(value, size));
  return out;
}

} // namespace

record read_record(const rd_kafka_message_t& message) {
  record out;
  out.topic = message.rkt ? rd_kafka_topic_name(message.rkt) : "";
  out.at = {message.partition, message.offset};
  if (message.key)
    out.key = text(message.key, message.key_len);
  if (message.payload) {
    out.value = text(message.payload, std::min(message.len, kept_value_size));
    out.value_size = message.len;
  }
  out.headers = read_headers(message);
  rd_kafka_timestamp_type_t type{};
  out.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  return out;
}

} // namespace vp::kafka
