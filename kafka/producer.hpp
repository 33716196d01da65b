#pragma once

#include "kafka/record.hpp"
#include "kafka/settings.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace vp::kafka {

/// Sends messages and waits for their acknowledgement; for one thread.
class producer {
public:
  /// No broker has to be there yet. Errors are those of `check`.
  static result<producer> open(const settings& settings, log_callback log = {});

  producer(producer&&) noexcept;
  producer& operator=(producer&&) noexcept;
  ~producer();

  /// So long a batch may take; what has no acknowledgement then has failed.
  static constexpr std::chrono::milliseconds acknowledge_limit{5000};

  /// How many messages of a batch, from its beginning, were acknowledged by all brokers in sync, and why that is not
  /// all. Others behind them may have been written too: send again everything from `acknowledged` on.
  struct outcome {
    std::size_t acknowledged = 0;
    std::optional<error> problem;
  };

  /// Sends a batch; messages of one key keep their order. Passing faults of brokers are retried meanwhile. After a
  /// problem nothing of the batch is left waiting here, and the next call begins with a fresh connection: nothing of a
  /// failed batch is sent after a later one. (What a broker had already received, and only it, may still be written.)
  /// A message over librdkafka's `message.max.bytes` stops the batch in front of itself, with
  /// `RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE`. Blocks, for about a second above `acknowledge_limit` at most.
  outcome send(std::span<const message> batch);

  /// Asks a broker, within `limit`; the cluster's id.
  result<std::string> probe(std::chrono::milliseconds limit);

private:
  struct state;
  explicit producer(std::unique_ptr<state> opened);
  std::unique_ptr<state> state_;
};

} // namespace vp::kafka
