#pragma once

#include "media/av.hpp"

namespace vp::media {

/// Converts between the timestamps of the source's video stream and the ticks of a plan, which count from time zero.
class timeline {
public:
  explicit timeline(const plan& plan)
      : scale_(plan.tick_scale), timescale_(plan.timescale),
        start_(av_rescale_rnd(plan.source.start_time, plan.timescale, AV_TIME_BASE, AV_ROUND_NEAR_INF)) {}

  std::int64_t ticks(std::int64_t pts) const {
    const auto ticks = pts * scale_ - start_;
    // The start is known in microseconds only, so the first frame may seem to be up to one of them early.
    return ticks < 0 && ticks >= -static_cast<std::int64_t>(timescale_ / 1'000'000) - 1 ? 0 : ticks;
  }

  /// A length of time rather than a point in it.
  std::int64_t length(std::int64_t duration) const { return duration * scale_; }

  /// The last timestamp at or before `ticks`.
  std::int64_t pts(std::int64_t ticks) const { return av_rescale_rnd(ticks + start_, 1, scale_, AV_ROUND_DOWN); }

  std::int64_t seconds(std::int64_t count) const { return count * static_cast<std::int64_t>(timescale_); }

private:
  std::int64_t scale_;
  std::uint32_t timescale_;
  std::int64_t start_;
};

} // namespace vp::media
