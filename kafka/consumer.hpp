#pragma once

#include "kafka/record.hpp"
#include "kafka/settings.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

namespace vp::kafka {

/// These partitions are ours from now on, besides those that are already.
struct assigned {
  std::vector<std::int32_t> partitions;
};

/// These are not any more. What was committed of them before has been written, unless they were `lost`: then the group
/// has gone on without us, and somebody else reads them already.
struct revoked {
  std::vector<std::int32_t> partitions;
  bool lost = false;
};

/// Reads `jobs_topic` as a member of `group`; for one thread.
class consumer {
public:
  /// Subscribes. No broker and no topic has to be there yet. Errors are those of `check`.
  static result<consumer> open(const settings& settings, log_callback log = {});

  consumer(consumer&&) noexcept;
  consumer& operator=(consumer&&) noexcept;
  ~consumer(); ///< as close()

  using happening = std::variant<std::monostate, record, assigned, revoked, error>;

  /// What has come, or nothing within `limit`; 0 does not wait. Call it every few seconds, also while paused, or the
  /// group takes the partitions away (after `max.poll.interval.ms`). Errors are told, not to be acted on: librdkafka
  /// keeps trying. A revocation blocks until what was committed is written, for 5 s at most.
  happening poll(std::chrono::milliseconds limit);

  /// No records of any partition, now ours or later, until resume(), which goes on where it stopped.
  void pause();
  void resume();

  /// From each partition's position on a next owner shall read: the offset of the next record. Written one request at
  /// a time, in order, and again after a failure, while poll() is being called. Of a partition that is not ours it does
  /// nothing.
  void commit(const std::vector<position>& next);

  /// What was committed and is not written yet must not be written any more: it speaks of a topic that is gone.
  void forget_commits();

  /// Writes what was committed and leaves the group; poll() gives nothing afterwards. Blocks, for about 5 s at most.
  /// Where something could not be written by then, librdkafka clings to it until `session.timeout.ms` after this call,
  /// and destruction takes as long.
  void close();

private:
  struct state;
  explicit consumer(std::unique_ptr<state> opened);
  std::unique_ptr<state> state_;
};

} // namespace vp::kafka
