#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace vp {

/// What transcoding tells Prometheus. Without a registry the figures are counted and nobody sees them.
class transcode_metrics {
private:
  std::shared_ptr<prometheus::Registry> registry_; // first: the members below live in it
  prometheus::Family<prometheus::Counter>& jobs_;
  prometheus::Family<prometheus::Gauge>& slots_;
  prometheus::Family<prometheus::Counter>& segments_by_;
  prometheus::Family<prometheus::Counter>& failures_by_;

public:
  explicit transcode_metrics(std::shared_ptr<prometheus::Registry> registry = nullptr);

  prometheus::Counter& segments;       ///< encoded
  prometheus::Counter& frames_decoded; ///< with those that seeks threw away
  prometheus::Counter& failures;       ///< segments and analyses that an encoder failed at
  prometheus::Counter& losses;         ///< tasks whose encoder was lost
  prometheus::Histogram& encode_time;  ///< seconds from giving a segment out to its result
  prometheus::Gauge& encoders;         ///< registered
  prometheus::Gauge& encoders_busy;
  prometheus::Gauge& jobs_running;

  /// Jobs by how they ended: `completed`, `failed`, `cancelled`, `busy`, `put_back`, `crashed`.
  prometheus::Counter& jobs(const std::string& outcome);

  // By node.
  prometheus::Gauge& slots(const std::string& node);
  prometheus::Counter& segments_by(const std::string& node);
  prometheus::Counter& failures_by(const std::string& node);
};

} // namespace vp
