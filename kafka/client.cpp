#include "kafka/client.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <string_view>
#include <thread>
#include <utility>

namespace vp::kafka {

namespace {

constexpr std::chrono::seconds destroy_limit{2};

/// Warnings of properties for the other kind of client, and of an experimental one that we chose.
bool is_noise(std::string_view facility, std::string_view text) {
  return facility == "CONFWARN"
         && (text.find(" property and will be ignored by this ") != std::string_view::npos
             || text.find(" enable.gapless.guarantee is experimental") != std::string_view::npos);
}

/// What concerns one connection: the next try, or another broker, may do. All of them down is a code of its own.
bool is_of_one_broker(rd_kafka_resp_err_t code) {
  switch (code) {
  case RD_KAFKA_RESP_ERR__TRANSPORT:
  case RD_KAFKA_RESP_ERR__RESOLVE:
  case RD_KAFKA_RESP_ERR__TIMED_OUT:
  case RD_KAFKA_RESP_ERR__SSL:
  case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    return true;
  default:
    return false;
  }
}

} // namespace

int remaining_ms(steady::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

void client::listener::hear(int level, const char* facility, const char* text) {
  const std::lock_guard lock(mutex);
  if (log && !is_noise(facility, text))
    log(level, std::string(facility) + ": " + text);
}

/// librdkafka 2.0 at times waits for its own threads for ever, as when brokers have come back without their data. What
/// is left of it then stays behind, and is heard of no more.
void client::destroyer::operator()(rd_kafka_t* which) const {
  std::promise<void> ended;
  auto end = ended.get_future();
  std::thread destroying([which, listener = told, ended = std::move(ended)]() mutable {
    // Leaving a group is consumer::close()'s business.
    rd_kafka_destroy_flags(which, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ended.set_value();
  });
  if (end.wait_for(destroy_limit) == std::future_status::ready) {
    destroying.join();
    return;
  }
  destroying.detach();
  const std::lock_guard lock(told->mutex);
  told->log = {};
}

result<client> client::open(handle<rd_kafka_conf_t> conf, rd_kafka_type_t type, log_callback log) {
  client opened;
  auto told = std::make_shared<listener>();
  told->log = std::move(log);
  rd_kafka_conf_set_opaque(conf.get(), told.get());
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* rk, int level, const char* facility, const char* text) {
    if (auto* const hears = static_cast<listener*>(rd_kafka_opaque(rk)))
      hears->hear(level, facility, text);
  });
  int events = RD_KAFKA_EVENT_ERROR;
  events |= type == RD_KAFKA_PRODUCER ? RD_KAFKA_EVENT_DR
                                      : RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT;
  rd_kafka_conf_set_events(conf.get(), events);

  std::array<char, 512> text{};
  opened.instance_ = {rd_kafka_new(type, conf.get(), text.data(), text.size()), {std::move(told)}};
  if (!opened.instance_)
    return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, text.data());
  static_cast<void>(conf.release()); // it belongs to the handle now

  if (type == RD_KAFKA_CONSUMER) {
    rd_kafka_poll_set_consumer(opened.get()); // one queue for everything
    opened.queue_.reset(rd_kafka_queue_get_consumer(opened.get()));
  } else {
    opened.queue_.reset(rd_kafka_queue_get_main(opened.get()));
  }
  return opened;
}

handle<rd_kafka_event_t> client::poll(std::chrono::milliseconds limit) {
  return handle<rd_kafka_event_t>(rd_kafka_queue_poll(queue_.get(), static_cast<int>(limit.count())));
}

result<handle<const rd_kafka_metadata_t>> client::metadata(rd_kafka_topic_t* topic, steady::time_point deadline) {
  const rd_kafka_metadata_t* answer = nullptr;
  if (const auto code = rd_kafka_metadata(get(), 0, topic, &answer, remaining_ms(deadline))) {
    while (const auto event = poll(std::chrono::milliseconds(0)))
      if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR)
        told(event.get());
    return tl::unexpected(explain(code, std::string("asking for the topic ") + rd_kafka_topic_name(topic)));
  }
  answered();
  return handle<const rd_kafka_metadata_t>(answer);
}

error client::explain(rd_kafka_resp_err_t code, const std::string& doing) const {
  auto text = doing + ": " + rd_kafka_err2str(code);
  if (!trouble_.empty())
    text += " (" + trouble_ + ")";
  return {code, std::move(text)};
}

error client::told(rd_kafka_event_t* event) {
  auto code = rd_kafka_event_error(event);
  std::string text = rd_kafka_event_error_string(event);
  if (is_of_one_broker(code)) {
    trouble_ = std::move(text);
    return {RD_KAFKA_RESP_ERR_NO_ERROR, {}};
  }
  if (code == RD_KAFKA_RESP_ERR__FATAL) {
    std::array<char, 512> reason{};
    code = rd_kafka_fatal_error(get(), reason.data(), reason.size());
    text = reason.data();
  }
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !trouble_.empty())
    text += " (" + trouble_ + ")";
  return {code, std::move(text)};
}

} // namespace vp::kafka
