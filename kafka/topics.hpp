#pragma once

#include "kafka/settings.hpp"

#include <chrono>

namespace vp::kafka {

/// Makes those of our topics that are missing: jobs and events with `settings.partitions`, the dead letters with one
/// and compacted by key, all with the brokers' own replication factor. Topics that exist are left as they are, and
/// several processes may do it at once. Blocks, for about `limit` at most.
result<void> ensure_topics(const settings& settings, std::chrono::milliseconds limit, log_callback log = {});

} // namespace vp::kafka
