#pragma once

#include "kafka/client.hpp"
#include "kafka/producer.hpp"
#include "kafka/settings.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <initializer_list>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <memory>
#include <string>
#include <vector>

namespace vp::kafka::test {

/// librdkafka's own brokers, behind real connections on the loopback interface. What they don't know: topics made
/// through the admin API.
class mock_cluster {
public:
  explicit mock_cluster(int brokers = 1) {
    handle<rd_kafka_conf_t> conf(rd_kafka_conf_new());
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    host_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), nullptr, 0));
    REQUIRE(host_);
    static_cast<void>(conf.release());
    cluster_ = rd_kafka_mock_cluster_new(host_.get(), brokers);
    REQUIRE(cluster_ != nullptr);
  }
  mock_cluster(const mock_cluster&) = delete;
  mock_cluster& operator=(const mock_cluster&) = delete;
  ~mock_cluster() { rd_kafka_mock_cluster_destroy(cluster_); }

  rd_kafka_mock_cluster_t* get() { return cluster_; }

  /// Of a program that uses this cluster, with all topics there.
  vp::kafka::settings settings(int partitions = 1) {
    vp::kafka::settings made;
    made.brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
    made.partitions = partitions;
    made.properties = {{"session.timeout.ms", "4000"},
                       {"heartbeat.interval.ms", "200"}}; // as long as a rebalance takes
    create(made.jobs_topic, partitions);
    create(made.events_topic, partitions);
    create(made.dead_topic(), 1);
    return made;
  }

  void create(const std::string& topic, int partitions) {
    REQUIRE(rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  static constexpr std::int16_t produce_request = 0;
  static constexpr std::int16_t offset_commit_request = 8;
  static constexpr std::int16_t heartbeat_request = 12;

  /// The next requests of this kind are answered with these errors, one each.
  void fail_next(std::int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }

  /// So long every answer takes.
  void far_away(std::chrono::milliseconds by) {
    const auto set = rd_kafka_mock_broker_set_rtt(cluster_, -1, static_cast<int>(by.count()));
    REQUIRE(set == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  /// Cuts all connections, and takes no new ones.
  void down() { REQUIRE(rd_kafka_mock_broker_set_down(cluster_, -1) == RD_KAFKA_RESP_ERR_NO_ERROR); }
  void up() { REQUIRE(rd_kafka_mock_broker_set_up(cluster_, -1) == RD_KAFKA_RESP_ERR_NO_ERROR); }

private:
  struct destroyer {
    void operator()(rd_kafka_t* p) const noexcept { rd_kafka_destroy(p); }
  };
  std::unique_ptr<rd_kafka_t, destroyer> host_;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

/// `count` messages `first`, `first + 1`, ... of one key.
inline std::vector<message> numbered(const std::string& topic, int first, int count, const std::string& key = "key") {
  std::vector<message> out;
  for (int i = first; i < first + count; ++i)
    out.push_back({.topic = topic, .key = key, .value = std::to_string(i), .headers = {}});
  return out;
}

} // namespace vp::kafka::test
