#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace vp {

/// What uploads, the queue and the events tell Prometheus. Without a registry the figures are counted and nobody sees
/// them.
class storage_metrics {
private:
  std::shared_ptr<prometheus::Registry> registry_; // first: the members below live in it
  prometheus::Family<prometheus::Counter>& queue_;
  prometheus::Family<prometheus::Counter>& events_;
  prometheus::Family<prometheus::Counter>& published_;

public:
  explicit storage_metrics(std::shared_ptr<prometheus::Registry> registry = nullptr);

  prometheus::Counter& upload_bytes;  ///< written to sources, acknowledged later or not
  prometheus::Counter& chunks;        ///< acknowledged, each once
  prometheus::Counter& finalized;     ///< uploads made whole
  prometheus::Gauge& sessions;        ///< upload sessions, each a thread
  prometheus::Gauge& jobs_in_hand;    ///< taken from the queue and not yet ended
  prometheus::Gauge& kafka_connected; ///< 1 while the broker answers
  prometheus::Gauge& unpublished;     ///< rows of the outbox that wait for Kafka

  /// Jobs by what became of them: `delivered`, `acked`, `later`, `dead`.
  prometheus::Counter& queue(const std::string& what);

  /// Events by kind.
  prometheus::Counter& events(const std::string& kind);

  /// Messages that Kafka has acknowledged, by topic.
  prometheus::Counter& published(const std::string& topic);
};

} // namespace vp
