#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace vp {

/// How much gets done a second, judged by the recent past: speed changes when videos share the encoders with others.
template <class Clock>
class rate {
public:
  using time_point = typename Clock::time_point;

  explicit rate(typename Clock::duration window) : window_(window) {}

  /// From here on it counts.
  void start(time_point now) {
    points_.clear();
    points_.push_back({now, 0});
  }

  void add(time_point now, double amount) {
    points_.push_back({now, points_.back().total + amount});
    while (points_.size() > min_points && now - points_[1].when >= window_)
      points_.pop_front();
  }

  /// Nothing until something is done.
  std::optional<double> per_second() const {
    if (points_.size() < 2)
      return std::nullopt;
    std::chrono::duration<double> span = points_.back().when - points_.front().when;
    if (span.count() <= 0)
      return std::nullopt;
    return (points_.back().total - points_.front().total) / span.count();
  }

private:
  // So many even where each took longer than the window.
  static constexpr std::size_t min_points = 5;

  struct point {
    time_point when;
    double total;
  };

  typename Clock::duration window_;
  std::deque<point> points_;
};

} // namespace vp
