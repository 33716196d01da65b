#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <unistd.h>

namespace vp::cli {

using namespace std::chrono_literals;

std::string printable(std::string_view text, std::string_view kept) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    // U+0080 to U+009F, which some terminals obey, are two bytes in UTF-8.
    auto upper_control = c == 0xC2 && next >= 0x80 && next < 0xA0;
    if ((c < 0x20 || c == 0x7F || upper_control) && kept.find(text[i]) == std::string_view::npos)
      shown += '?';
    else
      shown += text[i];
    if (upper_control)
      ++i;
  }
  return shown;
}

live_lines::live_lines() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void live_lines::show(const std::vector<std::string>& lines, bool last) {
  auto now = clock::now();
  if (!last && (now < next_ || (!terminal_ && lines == shown_)))
    return;
  next_ = now + (terminal_ ? 100ms : 3000ms);
  if (terminal_ && !shown_.empty())
    fmt::print("\x1b[{}A", shown_.size());
  for (auto& line : lines)
    fmt::print("{}{}\n", printable(line), terminal_ ? "\x1b[K" : "");
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
