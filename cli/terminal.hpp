#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace vp::cli {

/// `text` with `?` for every control character that is not in `kept`: what a server says must not steer the terminal.
std::string printable(std::string_view text, std::string_view kept = {});

/// A few lines that are shown again and again: in place on a terminal, and one below the other every few seconds where
/// the output goes to a file.
class live_lines {
public:
  live_lines();

  /// Shows `lines` if it is time to; always when `last`.
  void show(const std::vector<std::string>& lines, bool last = false);

private:
  using clock = std::chrono::steady_clock;

  bool terminal_;
  std::vector<std::string> shown_;
  clock::time_point next_ = clock::time_point::min();
};

/// `[#####-----]  50%`
std::string bar(double fraction);

/// `12.3 MB`, in powers of 1000.
std::string human_bytes(double bytes);

/// `1:05`, `2:00:00`; empty below 0.
std::string human_seconds(double seconds);

} // namespace vp::cli
