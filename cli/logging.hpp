#pragma once

#include <string>

namespace vp::cli {

/// Sets up the log on standard output. `level` is one of spdlog's names; `format` is `text`, or `json` for a line an
/// object.
void start_logging(const std::string& level, const std::string& format);

} // namespace vp::cli
