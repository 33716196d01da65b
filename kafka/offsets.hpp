#pragma once

#include "kafka/record.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace vp::kafka {

/// Up to where each partition may be committed when its jobs run side by side and end in any order: the offset of the
/// first one that still runs or, where none does, the one after the last that began.
class offset_tracker {
public:
  /// The record at `at` was read and its job begins. Within a partition offsets rise, with gaps. One that does not
  /// (the brokers lost data, or somebody reset the group) starts the partition anew: what ran there is forgotten.
  void began(position at);

  /// Whether `began` would start its partition anew.
  bool restarts(position at) const;

  /// Its job has ended, one way or another. Of a job that is not known (any more) it does nothing.
  void ended(position at);

  /// The partition is somebody else's now.
  void forget(std::int32_t partition);

  /// Jobs that have begun and not ended.
  std::size_t running() const;

  /// What may be committed and was not taken before, by partition: each time the offset of the next record to read.
  std::vector<position> take();

private:
  struct track {
    std::set<std::int64_t> running;
    std::int64_t last = 0;  ///< that began
    std::int64_t taken = 0; ///< the next record to read, as far as it was told

    std::int64_t next() const { return running.empty() ? last + 1 : *running.begin(); }
  };
  std::map<std::int32_t, track> partitions_;
};

} // namespace vp::kafka
