#include "actors/transcode_metrics.hpp"

#include <utility>

namespace vp {

namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

} // namespace

transcode_metrics::transcode_metrics(std::shared_ptr<prometheus::Registry> registry)
    : registry_(registry ? std::move(registry) : std::make_shared<prometheus::Registry>()),
      jobs_(prometheus::BuildCounter()
                .Name("vidpipeline_jobs_total")
                .Help("Transcode jobs by how they ended")
                .Register(*registry_)),
      slots_(prometheus::BuildGauge().Name("vidpipeline_node_slots").Help("Encoders of a node").Register(*registry_)),
      segments_by_(prometheus::BuildCounter()
                       .Name("vidpipeline_node_segments_total")
                       .Help("Segments that a node encoded")
                       .Register(*registry_)),
      failures_by_(prometheus::BuildCounter()
                       .Name("vidpipeline_node_failures_total")
                       .Help("Tasks that a node failed at")
                       .Register(*registry_)),
      segments(counter(*registry_, "vidpipeline_segments_encoded_total", "Segments encoded, all renditions of each")),
      frames_decoded(
          counter(*registry_, "vidpipeline_frames_decoded_total", "Video frames decoded, thrown away or not")),
      failures(counter(*registry_, "vidpipeline_encode_failures_total", "Tasks that an encoder failed at")),
      losses(counter(*registry_, "vidpipeline_encode_losses_total", "Tasks whose encoder was lost")),
      encode_time(prometheus::BuildHistogram()
                      .Name("vidpipeline_segment_encode_seconds")
                      .Help("Seconds from giving a segment out to its result")
                      .Register(*registry_)
                      .Add({}, prometheus::Histogram::BucketBoundaries{0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256})),
      encoders(gauge(*registry_, "vidpipeline_encoders", "Encoders registered")),
      encoders_busy(gauge(*registry_, "vidpipeline_encoders_busy", "Encoders with a task")),
      jobs_running(gauge(*registry_, "vidpipeline_jobs_running", "Transcode jobs running")) {}

prometheus::Counter& transcode_metrics::jobs(const std::string& outcome) {
  return jobs_.Add({{"outcome", outcome}});
}

prometheus::Gauge& transcode_metrics::slots(const std::string& node) {
  return slots_.Add({{"node", node}});
}

prometheus::Counter& transcode_metrics::segments_by(const std::string& node) {
  return segments_by_.Add({{"node", node}});
}

prometheus::Counter& transcode_metrics::failures_by(const std::string& node) {
  return failures_by_.Add({{"node", node}});
}

} // namespace vp
