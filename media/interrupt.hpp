#pragma once

#include "media/error.hpp"

#include <atomic>
#include <chrono>
#include <memory>

namespace vp::media {

/// A way to stop work from outside: a flag that somebody else raises, and a deadline. Copies share the flag. Every loop
/// over packets or frames looks at it, and so does every read of the source, since FFmpeg can spend long in one call.
class interrupt {
public:
  using clock = std::chrono::steady_clock;

  /// Never raised by itself.
  interrupt() = default;

  /// Raised once `limit` has passed.
  explicit interrupt(clock::duration limit) : deadline_(clock::now() + limit) {}

  void raise() noexcept { flag_->store(true, std::memory_order_relaxed); }

  bool raised() const noexcept { return flag_->load(std::memory_order_relaxed) || expired(); }

  /// Why the work ended; to be called when `raised()`.
  error why() const {
    return flag_->load(std::memory_order_relaxed) ? error{errc::cancelled, "cancelled"}
                                                  : error{errc::timed_out, "took longer than its limit"};
  }

private:
  bool expired() const noexcept { return deadline_ != clock::time_point::max() && clock::now() >= deadline_; }

  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
  clock::time_point deadline_ = clock::time_point::max();
};

} // namespace vp::media
