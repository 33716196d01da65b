#pragma once

#include "kafka/record.hpp"
#include "kafka/settings.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vp::kafka {

/// A whole topic, from its beginning to its end as of now, by partition and offset; joins no group and commits nothing.
/// A topic that is not there is empty. `RD_KAFKA_RESP_ERR__TIMED_OUT` when that takes longer than `limit`.
result<std::vector<record>> read_all(const settings& settings, const std::string& topic,
                                     std::chrono::milliseconds limit, log_callback log = {});

} // namespace vp::kafka
