#include "media/portable_math.hpp"

extern "C" {
#include <libavutil/cpu.h>
}

#include <atomic>
#include <utility>

namespace vp::media {

namespace {

std::shared_mutex choice;
/// Held while waiting for `choice`: a shared mutex may let readers pass a writer for as long as there are any.
std::mutex in_line;

/// Before there are threads.
std::atomic<int> processor = [] {
  const int flags = av_get_cpu_flags();
  av_force_cpu_flags(0);
  return flags;
}();

} // namespace

portable_math::portable_math() {
  const std::lock_guard turn(in_line);
  lock_ = std::shared_lock(choice);
}

native_math::native_math() {
  const std::lock_guard turn(in_line);
  lock_ = std::unique_lock(choice);
  av_force_cpu_flags(processor);
}

native_math::~native_math() {
  av_force_cpu_flags(0);
}

int pretend_processor(int flags) {
  return processor.exchange(flags);
}

} // namespace vp::media
