#include "actors/storage_metrics.hpp"

#include <utility>

namespace vp {

namespace {

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

} // namespace

storage_metrics::storage_metrics(std::shared_ptr<prometheus::Registry> registry)
    : registry_(registry ? std::move(registry) : std::make_shared<prometheus::Registry>()),
      queue_(counters(*registry_, "vidpipeline_queue_jobs_total", "Jobs of the queue by what became of them")),
      events_(counters(*registry_, "vidpipeline_events_total", "Events by kind")),
      published_(counters(*registry_, "vidpipeline_kafka_published_total", "Messages that Kafka acknowledged")),
      upload_bytes(counters(*registry_, "vidpipeline_upload_bytes_total", "Bytes of chunks written to disk").Add({})),
      chunks(counters(*registry_, "vidpipeline_upload_chunks_total", "Chunks acknowledged").Add({})),
      finalized(counters(*registry_, "vidpipeline_uploads_finalized_total", "Uploads made whole").Add({})),
      sessions(gauge(*registry_, "vidpipeline_upload_sessions", "Upload sessions")),
      jobs_in_hand(gauge(*registry_, "vidpipeline_queue_jobs_in_hand", "Jobs taken from the queue and not ended")),
      kafka_connected(gauge(*registry_, "vidpipeline_kafka_connected", "1 while the Kafka broker answers")),
      unpublished(gauge(*registry_, "vidpipeline_outbox_unpublished", "Rows of the outbox that wait for Kafka")) {}

prometheus::Counter& storage_metrics::queue(const std::string& what) {
  return queue_.Add({{"what", what}});
}

prometheus::Counter& storage_metrics::events(const std::string& kind) {
  return events_.Add({{"kind", kind}});
}

prometheus::Counter& storage_metrics::published(const std::string& topic) {
  return published_.Add({{"topic", topic}});
}

} // namespace vp
