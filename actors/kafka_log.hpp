#pragma once

#include <string>

namespace vp {

/// librdkafka's own words, in our log. `severity` as syslog counts: 0 to 7.
void log_kafka(int severity, const std::string& text);

} // namespace vp
