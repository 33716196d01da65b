#pragma once

#include <functional>
#include <string_view>

namespace vp::media {

enum class log_level { error, warning, info, debug };

/// Where the lines of FFmpeg and of the encoders go; nowhere by default. Called from any thread, so a sink must be safe
/// to call from several at once. Lines are what a hostile file made a library say: for logs, never for uploaders.
using log_sink = std::function<void(log_level level, std::string_view line)>;

/// Sends lines at `most` or graver to `sink`; an empty one is silence.
void set_log_sink(log_sink sink, log_level most = log_level::warning);

/// Keeps FFmpeg off standard error. Everything that opens a source calls it first; again is free.
void capture_av_log();

} // namespace vp::media
