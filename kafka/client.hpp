#pragma once

#include "kafka/settings.hpp"

#include <chrono>
#include <librdkafka/rdkafka.h>
#include <memory>
#include <mutex>
#include <string>

/// librdkafka's handles as C++ values. Only kafka/'s sources include this.
namespace vp::kafka {

struct deleter {
  void operator()(rd_kafka_conf_t* p) const noexcept { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const noexcept { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const noexcept { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_error_t* p) const noexcept { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const noexcept { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_topic_partition_t* p) const noexcept { rd_kafka_topic_partition_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const noexcept { rd_kafka_topic_partition_list_destroy(p); }
  void operator()(rd_kafka_headers_t* p) const noexcept { rd_kafka_headers_destroy(p); }
  void operator()(rd_kafka_NewTopic_t* p) const noexcept { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const noexcept { rd_kafka_AdminOptions_destroy(p); }
  void operator()(const rd_kafka_metadata_t* p) const noexcept { rd_kafka_metadata_destroy(p); }
};

template <class T>
using handle = std::unique_ptr<T, deleter>;

using partition_list = handle<rd_kafka_topic_partition_list_t>;

/// What waiting for librdkafka is measured with, and what is left of it as librdkafka takes it.
using steady = std::chrono::steady_clock;
int remaining_ms(steady::time_point deadline);

/// A configuration for producers and consumers alike: ours, and in it the user's properties.
/// See `check` for its errors.
result<handle<rd_kafka_conf_t>> configure(const settings& settings);

/// A producer or a consumer of librdkafka's. What happens comes as events, by poll(), on the calling thread; what it
/// logs comes on its own threads, one call at a time. Its end takes two seconds at most.
class client {
public:
  static result<client> open(handle<rd_kafka_conf_t> conf, rd_kafka_type_t type, log_callback log);

  rd_kafka_t* get() const { return instance_.get(); }

  /// The next event, or none within `limit`.
  handle<rd_kafka_event_t> poll(std::chrono::milliseconds limit);

  /// A topic's partitions, asked of a broker. For a client that neither sends nor reads anything meanwhile: errors are
  /// taken from its queue.
  result<handle<const rd_kafka_metadata_t>> metadata(rd_kafka_topic_t* topic, steady::time_point deadline);

  /// `code` in words, after what was being done and before what was last heard of the brokers.
  error explain(rd_kafka_resp_err_t code, const std::string& doing) const;

  /// An event of an error as one to tell; code 0 for one of a single broker, of which explain() knows from then on.
  error told(rd_kafka_event_t* event);

  /// A broker has answered: what was wrong before is not the reason for what comes.
  void answered() { trouble_.clear(); }

private:
  struct listener {
    std::mutex mutex;
    log_callback log; // none for what ended too slowly

    void hear(int level, const char* facility, const char* text);
  };
  struct destroyer {
    std::shared_ptr<listener> told; // librdkafka has its address

    void operator()(rd_kafka_t* which) const;
  };

  client() = default;

  std::unique_ptr<rd_kafka_t, destroyer> instance_;
  handle<rd_kafka_queue_t> queue_; // goes before its instance
  std::string trouble_;            // with a broker
};

} // namespace vp::kafka
