#include "http/metrics.hpp"

namespace vp::http {

namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

} // namespace

metrics::metrics(prometheus::Registry& registry)
    : requests_(prometheus::BuildCounter()
                    .Name("vidpipeline_http_requests_total")
                    .Help("HTTP requests that were answered")
                    .Register(registry)),
      seconds_(prometheus::BuildHistogram()
                   .Name("vidpipeline_http_request_seconds")
                   .Help("From a request's header to the end of its response")
                   .Register(registry)),
      connections(gauge(registry, "vidpipeline_http_connections", "Open connections")),
      streams(gauge(registry, "vidpipeline_http_event_streams", "Open streams of Server-Sent Events")),
      received(counter(registry, "vidpipeline_http_received_bytes_total", "Bytes of request bodies")),
      sent(counter(registry, "vidpipeline_http_sent_bytes_total", "Bytes of responses")) {}

void metrics::count(const std::string& route, std::string_view method, unsigned status,
                    std::chrono::duration<double> took) {
  static const prometheus::Histogram::BucketBoundaries buckets{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};
  requests_.Add({{"route", route}, {"method", std::string{method}}, {"status", std::to_string(status)}}).Increment();
  seconds_.Add({{"route", route}}, buckets).Observe(took.count());
}

} // namespace vp::http
