#include "media/frames_ahead.hpp"

#include <exception>
#include <utility>

namespace vp::media {

namespace {

/// Some, so that neither waits for the other's slow frames; a picture in 1080p has 3 MB.
constexpr std::size_t most_ahead = 8;

} // namespace

frames_ahead::frames_ahead(frame_reader& reader, std::int64_t start, std::int64_t end, std::uint32_t count)
    : reader_(reader), thread_([this, start, end, count] { read(start, end, count); }) {}

frames_ahead::~frames_ahead() {
  {
    const std::lock_guard lock(mutex_);
    unwanted_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void frames_ahead::read(std::int64_t start, std::int64_t end, std::uint32_t count) {
  try {
    for (std::uint32_t shown = 0; shown < count;) {
      auto frame = reader_.next();
      const auto goes_on = frame && *frame && (*frame)->pts < end;
      shown += goes_on && (*frame)->pts >= start ? 1 : 0;
      if (!offer(std::move(frame)) || !goes_on)
        return;
    }
  } catch (const std::exception& problem) {
    offer(fail(errc::internal, problem.what()));
  }
}

/// False where nobody wants it.
bool frames_ahead::offer(result<frame_ptr> frame) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return unwanted_ || frames_.size() < most_ahead; });
  if (unwanted_)
    return false;
  frames_.push_back(std::move(frame));
  changed_.notify_all();
  return true;
}

result<frame_ptr> frames_ahead::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !frames_.empty(); });
  auto frame = std::move(frames_.front());
  frames_.pop_front();
  changed_.notify_all();
  return frame;
}

} // namespace vp::media
