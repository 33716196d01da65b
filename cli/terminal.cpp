#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <unistd.h>

namespace vp::cli {

using namespace std::chrono_literals;

live_lines::live_lines() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void live_lines::show(const std::vector<std::string>& lines, bool last) {
  auto now = clock::now();
  if (!last && (now < next_ || (!terminal_ && lines == shown_)))
    return;
  next_ = now + (terminal_ ? 100ms : 3000ms);
  if (terminal_ && !shown_.empty())
    fmt::print("\x1b[{}A", shown_.size());
  for (auto& line : lines)
    fmt::print("{}{}\n", line, terminal_ ? "\x1b[K" : "");
  shown_ = lines;
  std::fflush(stdout);
}

std::string bar(double fraction) {
  constexpr std::size_t width = 30;
  fraction = std::clamp(fraction, 0.0, 1.0);
  auto full = static_cast<std::size_t>(std::floor(fraction * width));
  return fmt::format("[{}{}] {:3.0f}%", std::string(full, '#'), std::string(width - full, '-'),
                     std::floor(fraction * 100));
}

std::string human_bytes(double bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < units.size(); ++unit)
    bytes /= 1000;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, units[unit]);
}

std::string human_seconds(double seconds) {
  if (seconds < 0)
    return {};
  auto whole = std::llround(std::ceil(seconds));
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

} // namespace vp::cli
