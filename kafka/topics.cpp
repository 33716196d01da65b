#include "kafka/topics.hpp"

#include "kafka/client.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace vp::kafka {

namespace {

struct topic {
  std::string name;
  int partitions = 1;
  bool compacted = false;
};

/// Whether a broker knows the topic and each of its partitions has a leader.
result<bool> exists(client& client, const std::string& name, steady::time_point deadline) {
  const handle<rd_kafka_topic_t> topic(rd_kafka_topic_new(client.get(), name.c_str(), nullptr));
  if (!topic)
    return fail(rd_kafka_last_error(), "no topic: " + name);
  auto answer = client.metadata(topic.get(), deadline);
  if (!answer)
    return tl::unexpected(answer.error());
  if ((*answer)->topic_cnt != 1)
    return false;
  switch (const auto code = (*answer)->topics[0].err) {
  case RD_KAFKA_RESP_ERR_NO_ERROR:
    return true;
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    return false;
  default:
    return tl::unexpected(client.explain(code, "asking for the topic " + name));
  }
}

/// Existing ones are no error: another process was faster.
result<void> create(client& client, const std::vector<topic>& topics, steady::time_point deadline) {
  std::vector<handle<rd_kafka_NewTopic_t>> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  std::array<char, 512> text{};
  for (const auto& topic : topics) {
    owned.emplace_back(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, -1, text.data(), text.size()));
    if (!owned.back())
      return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, text.data());
    if (topic.compacted)
      rd_kafka_NewTopic_set_config(owned.back().get(), "cleanup.policy", "compact");
    wanted.push_back(owned.back().get());
  }

  const handle<rd_kafka_AdminOptions_t> options(
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS));
  const auto left = std::max(remaining_ms(deadline), 1);
  // The request's own limit, and the brokers' for having it done.
  for (const auto set : {rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_set_operation_timeout})
    if (const auto code = set(options.get(), left, text.data(), text.size()))
      return fail(code, text.data());
  const handle<rd_kafka_queue_t> queue(rd_kafka_queue_new(client.get()));
  rd_kafka_CreateTopics(client.get(), wanted.data(), wanted.size(), options.get(), queue.get());
  // It always answers, within its limit.
  const handle<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), -1));
  if (const auto code = rd_kafka_event_error(event.get()))
    return fail(code, std::string("making topics: ") + rd_kafka_event_error_string(event.get()));
  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
      continue;
    const auto* said = rd_kafka_topic_result_error_string(results[i]);
    return fail(code, std::string("making the topic ") + rd_kafka_topic_result_name(results[i]) + ": "
                          + (said ? said : rd_kafka_err2str(code)));
  }
  return {};
}

} // namespace

result<void> ensure_topics(const settings& settings, std::chrono::milliseconds limit, log_callback log) {
  const auto deadline = steady::now() + limit;
  auto conf = configure(settings);
  if (!conf)
    return tl::unexpected(conf.error());
  auto client = client::open(std::move(*conf), RD_KAFKA_PRODUCER, std::move(log));
  if (!client)
    return tl::unexpected(client.error());

  std::vector<topic> missing;
  for (const auto& topic : {kafka::topic{settings.jobs_topic, settings.partitions, false},
                            kafka::topic{settings.events_topic, settings.partitions, false},
                            kafka::topic{settings.dead_topic(), 1, true}}) {
    const auto found = exists(*client, topic.name, deadline);
    if (!found)
      return tl::unexpected(found.error());
    if (!*found)
      missing.push_back(topic);
  }
  return missing.empty() ? result<void>{} : create(*client, missing, deadline);
}

} // namespace vp::kafka
