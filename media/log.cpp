#include "media/log.hpp"

extern "C" {
#include <libavutil/log.h>
}

#include <cstdarg>
#include <memory>
#include <mutex>
#include <utility>

namespace vp::media {

namespace {

std::mutex sink_mutex;
std::shared_ptr<const log_sink> current_sink;

int to_av(log_level level) {
  switch (level) {
  case log_level::error:
    return AV_LOG_ERROR;
  case log_level::warning:
    return AV_LOG_WARNING;
  case log_level::info:
    return AV_LOG_INFO;
  case log_level::debug:
    return AV_LOG_DEBUG;
  }
  return AV_LOG_QUIET;
}

log_level from_av(int level) {
  if (level <= AV_LOG_ERROR)
    return log_level::error;
  if (level <= AV_LOG_WARNING)
    return log_level::warning;
  return level <= AV_LOG_INFO ? log_level::info : log_level::debug;
}

void on_line(void* context, int level, const char* format, va_list arguments) {
  // FFmpeg's own callback looks at the level, so one that replaces it has to.
  if (level > av_log_get_level())
    return;
  std::shared_ptr<const log_sink> sink;
  {
    std::scoped_lock lock(sink_mutex);
    sink = current_sink;
  }
  if (!sink)
    return;
  char line[1024];
  int print_prefix = 1;
  av_log_format_line2(context, level, format, arguments, line, sizeof line, &print_prefix);
  std::string_view text(line);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.remove_suffix(1);
  if (!text.empty())
    (*sink)(from_av(level), text);
}

} // namespace

void set_log_sink(log_sink sink, log_level most) {
  capture_av_log();
  std::scoped_lock lock(sink_mutex);
  av_log_set_level(sink ? to_av(most) : AV_LOG_QUIET);
  current_sink = sink ? std::make_shared<const log_sink>(std::move(sink)) : nullptr;
}

void capture_av_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_QUIET);
    av_log_set_callback(on_line);
  });
}

} // namespace vp::media
