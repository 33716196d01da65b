#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string>
#include <string_view>

namespace vp::http {

/// What the HTTP server counts.
class metrics {
public:
  explicit metrics(prometheus::Registry& registry);

  /// A response was sent. `route` is the pattern, so that there are few.
  void count(const std::string& route, std::string_view method, unsigned status, std::chrono::duration<double> took);

private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& seconds_;

public:
  prometheus::Gauge& connections;
  prometheus::Gauge& streams;
  prometheus::Counter& received; ///< bytes of bodies
  prometheus::Counter& sent;     ///< bytes of responses, with their heads
};

} // namespace vp::http
