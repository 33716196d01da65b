#include "kafka/producer.hpp"

#include "kafka/client.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace vp::kafka {

namespace {

result<client> connect(const settings& settings, const log_callback& log) {
  auto conf = configure(settings);
  if (!conf)
    return tl::unexpected(conf.error());
  return client::open(std::move(*conf), RD_KAFKA_PRODUCER, log);
}

/// Puts a message into librdkafka's queue; its reports will point to `message`.
rd_kafka_resp_err_t enqueue(rd_kafka_t* to, const message& message) {
  handle<rd_kafka_headers_t> headers(rd_kafka_headers_new(message.headers.size()));
  for (const auto& [name, value] : message.headers)
    rd_kafka_header_add(headers.get(), name.data(), std::ssize(name), value.data(), std::ssize(value));

  std::array<rd_kafka_vu_t, 6> fields{};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = message.topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_KEY;
  fields[1].u.mem.ptr = message.key.empty() ? nullptr : const_cast<char*>(message.key.data());
  fields[1].u.mem.size = message.key.size();
  fields[2].vtype = RD_KAFKA_VTYPE_VALUE;
  fields[2].u.mem.ptr = message.value ? const_cast<char*>(message.value->data()) : nullptr;
  fields[2].u.mem.size = message.value ? message.value->size() : 0;
  fields[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[3].u.i = RD_KAFKA_MSG_F_COPY;
  fields[4].vtype = RD_KAFKA_VTYPE_OPAQUE;
  fields[4].u.ptr = const_cast<kafka::message*>(&message);
  fields[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[5].u.headers = headers.get();

  const handle<rd_kafka_error_t> failed(rd_kafka_produceva(to, fields.data(), fields.size()));
  if (failed)
    return rd_kafka_error_code(failed.get());
  static_cast<void>(headers.release()); // they belong to the message now
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/// A batch on its way.
class delivery {
public:
  delivery(client& client, std::span<const message> batch) : client_(client), batch_(batch), written_(batch.size()) {}

  /// Until everything is acknowledged, something fails, or the time is over.
  producer::outcome run(steady::time_point deadline) {
    while (true) {
      fill();
      while (acknowledged_ < enqueued_ && written_[acknowledged_])
        ++acknowledged_;
      if (acknowledged_ == batch_.size() || (acknowledged_ == enqueued_ && refused_))
        return {acknowledged_, refused_};
      if (failed_ || ((fatal_ || dragged_along_) && reported_ == enqueued_))
        return {acknowledged_, failed_ ? failed_ : fatal_ ? fatal_ : dragged_along_};
      const auto left = remaining_ms(deadline);
      if (left == 0)
        return {acknowledged_, client_.explain(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "waiting for an acknowledgement")};
      if (const auto event = client_.poll(std::chrono::milliseconds(left)))
        take(event.get());
    }
  }

  /// Whether the client has anything left of it, or is of no more use.
  bool is_spoilt() const { return failed_ || fatal_ || acknowledged_ < enqueued_; }

private:
  void fill() {
    while (enqueued_ < batch_.size() && !refused_ && !failed_ && !fatal_ && !dragged_along_) {
      const auto code = enqueue(client_.get(), batch_[enqueued_]);
      if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return; // there is room after the next report
      if (code)
        refused_ = client_.explain(code, "sending to the topic " + batch_[enqueued_].topic);
      else
        ++enqueued_;
    }
  }

  void take(rd_kafka_event_t* event) {
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_ERROR: {
      const bool fatal = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__FATAL;
      auto told = client_.told(event);
      if (fatal)
        fatal_ = std::move(told);
      break;
    }
    case RD_KAFKA_EVENT_DR:
      while (const auto* report = rd_kafka_event_message_next(event))
        take(*report);
      break;
    default:
      break;
    }
  }

  void take(const rd_kafka_message_t& report) {
    const auto& sent = *static_cast<const message*>(report._private);
    ++reported_;
    if (!report.err) {
      written_[static_cast<std::size_t>(&sent - batch_.data())] = true;
      client_.answered();
    } else if (is_consequence(report.err)) {
      dragged_along_ = client_.explain(report.err, "sending to the topic " + sent.topic);
    } else if (!failed_) {
      failed_ = client_.explain(report.err, "sending to the topic " + sent.topic);
      if (fatal_)
        failed_->text = fatal_->text;
    }
  }

  /// Of a fatal error, which takes all other messages with it. It may be told before its cause is.
  static bool is_consequence(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
           || code == RD_KAFKA_RESP_ERR__FATAL;
  }

  client& client_;
  std::span<const message> batch_;
  std::vector<bool> written_;
  std::size_t enqueued_ = 0;
  std::size_t reported_ = 0;
  std::size_t acknowledged_ = 0;
  std::optional<error> refused_; // what comes next in the batch
  std::optional<error> failed_;  // what was in the queue
  std::optional<error> fatal_;   // to the client
  std::optional<error> dragged_along_;
};

} // namespace

struct producer::state {
  kafka::settings settings;
  log_callback log;
  std::optional<kafka::client> client; // none after a failure

  result<kafka::client*> connected() {
    if (!client) {
      auto fresh = connect(settings, log);
      if (!fresh)
        return tl::unexpected(fresh.error());
      client = std::move(*fresh);
    }
    return &*client;
  }
};

producer::producer(std::unique_ptr<state> opened) : state_(std::move(opened)) {}
producer::producer(producer&&) noexcept = default;
producer& producer::operator=(producer&&) noexcept = default;
producer::~producer() = default;

result<producer> producer::open(const settings& settings, log_callback log) {
  auto made = std::make_unique<state>(state{settings, std::move(log), std::nullopt});
  if (auto connected = made->connected(); !connected)
    return tl::unexpected(connected.error());
  return producer(std::move(made));
}

producer::outcome producer::send(std::span<const message> batch) {
  const auto connected = state_->connected();
  if (!connected)
    return {0, connected.error()};
  delivery delivery(**connected, batch);
  auto result = delivery.run(steady::now() + acknowledge_limit);
  if (delivery.is_spoilt()) {
    // Without waiting for what is under way: closing the connections ends it.
    rd_kafka_purge((*connected)->get(),
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    state_->client.reset();
  }
  return result;
}

result<std::string> producer::probe(std::chrono::milliseconds limit) {
  const auto connected = state_->connected();
  if (!connected)
    return tl::unexpected(connected.error());
  auto& client = **connected;
  // Of one topic, for the question about none is answered with all there are.
  const handle<rd_kafka_topic_t> topic(
      rd_kafka_topic_new(client.get(), state_->settings.events_topic.c_str(), nullptr));
  if (auto answer = client.metadata(topic.get(), steady::now() + limit); !answer)
    return tl::unexpected(answer.error());
  auto* id = rd_kafka_clusterid(client.get(), 0);
  std::string text = id ? id : "";
  rd_kafka_mem_free(client.get(), id);
  return text;
}

} // namespace vp::kafka
