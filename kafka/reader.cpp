#include "kafka/reader.hpp"

#include "kafka/client.hpp"
#include "kafka/read_record.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace vp::kafka {

namespace {

/// One reading of a topic.
class topic_reader {
public:
  topic_reader(client client, std::string topic, steady::time_point deadline)
      : client_(std::move(client)), topic_(std::move(topic)), deadline_(deadline) {}

  result<std::vector<record>> run() {
    const auto partitions = count_partitions();
    if (!partitions)
      return tl::unexpected(partitions.error());
    if (auto started = start(*partitions); !started)
      return tl::unexpected(started.error());
    std::vector<record> records;
    while (!ends_.empty()) {
      const auto left = remaining_ms(deadline_);
      if (left == 0)
        return tl::unexpected(timed_out());
      const auto event = client_.poll(std::chrono::milliseconds(left));
      if (auto failed = event ? take(event.get(), records) : std::nullopt)
        return tl::unexpected(*failed);
    }
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    return records;
  }

private:
  error timed_out() const { return client_.explain(RD_KAFKA_RESP_ERR__TIMED_OUT, "reading the topic " + topic_); }

  result<int> count_partitions() {
    const handle<rd_kafka_topic_t> topic(rd_kafka_topic_new(client_.get(), topic_.c_str(), nullptr));
    if (!topic)
      return tl::unexpected(client_.explain(rd_kafka_last_error(), "reading the topic " + topic_));
    auto answer = client_.metadata(topic.get(), deadline_);
    if (!answer)
      return tl::unexpected(answer.error());
    if ((*answer)->topic_cnt != 1)
      return 0;
    const auto& found = (*answer)->topics[0];
    if (found.err && found.err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
      return tl::unexpected(client_.explain(found.err, "reading the topic " + topic_));
    return found.partition_cnt;
  }

  /// Reads all partitions that hold anything.
  result<void> start(int partitions) {
    const partition_list list(rd_kafka_topic_partition_list_new(partitions));
    for (int partition = 0; partition < partitions; ++partition) {
      std::int64_t begin = 0, end = 0;
      const auto left = remaining_ms(deadline_);
      if (left == 0)
        return tl::unexpected(timed_out());
      if (const auto code =
              rd_kafka_query_watermark_offsets(client_.get(), topic_.c_str(), partition, &begin, &end, left))
        return tl::unexpected(client_.explain(code, "reading the topic " + topic_));
      if (begin < end) {
        ends_[partition] = end;
        rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), partition)->offset = begin;
      }
    }
    if (const auto code = ends_.empty() ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_assign(client_.get(), list.get()))
      return tl::unexpected(client_.explain(code, "reading the topic " + topic_));
    return {};
  }

  std::optional<error> take(rd_kafka_event_t* event, std::vector<record>& records) {
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH)
      keep(rd_kafka_event_message_next(event), records);
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_ERROR)
      return std::nullopt;
    const handle<rd_kafka_topic_partition_t> at(rd_kafka_event_topic_partition(event));
    if (at && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ends_.erase(at->partition); // the last offsets belonged to no record any more, or to a transaction
      return std::nullopt;
    }
    auto told = client_.told(event);
    return at && told.code ? std::optional(std::move(told)) : std::nullopt;
  }

  void keep(const rd_kafka_message_t* message, std::vector<record>& records) {
    const auto end = message ? ends_.find(message->partition) : ends_.end();
    if (end == ends_.end())
      return;
    if (message->offset < end->second)
      records.push_back(read_record(*message));
    if (message->offset + 1 >= end->second)
      ends_.erase(end);
  }

  client client_;
  std::string topic_;
  steady::time_point deadline_;
  std::map<std::int32_t, std::int64_t> ends_; // of the partitions that are not read to their end
};

} // namespace

result<std::vector<record>> read_all(const settings& settings, const std::string& topic,
                                     std::chrono::milliseconds limit, log_callback log) {
  auto conf = configure(settings);
  if (!conf)
    return tl::unexpected(conf.error());
  rd_kafka_conf_set(conf->get(), "enable.partition.eof", "true", nullptr, 0);
  auto client = client::open(std::move(*conf), RD_KAFKA_CONSUMER, std::move(log));
  if (!client)
    return tl::unexpected(client.error());
  return topic_reader(std::move(*client), topic, steady::now() + limit).run();
}

} // namespace vp::kafka
