#include "media/frames_ahead.hpp"

#include <exception>
#include <utility>

namespace vp::media {

namespace {

/// Some, so that neither waits for the other's slow frames; of the largest pictures one.
constexpr std::size_t most_ahead = 8;
constexpr std::size_t most_bytes_ahead = 64 << 20;

std::size_t bytes_of(const result<frame_ptr>& frame) {
  std::size_t bytes = 0;
  if (frame && *frame)
    for (const auto* buffer : (*frame)->buf)
      bytes += buffer ? buffer->size : 0;
  return bytes;
}

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
  } catch (const std::exception&) {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    changed_.notify_all();
  }
}

/// False where nobody wants it.
bool frames_ahead::offer(result<frame_ptr> frame) {
  std::unique_lock lock(mutex_);
  const auto bytes = bytes_of(frame);
  changed_.wait(lock, [&] {
    return unwanted_ || frames_.empty() || (frames_.size() < most_ahead && bytes_ + bytes <= most_bytes_ahead);
  });
  if (unwanted_)
    return false;
  frames_.push_back(std::move(frame));
  bytes_ += bytes;
  changed_.notify_all();
  return true;
}

result<frame_ptr> frames_ahead::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return broken_ || !frames_.empty(); });
  if (frames_.empty())
    return fail(errc::internal, "not enough memory for the frames ahead");
  auto frame = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= bytes_of(frame);
  changed_.notify_all();
  return frame;
}

} // namespace vp::media
