#pragma once

#include "actors/messages.hpp"

#include <caf/timespan.hpp>

#include <chrono>

namespace vp {

/// What the look at a source may take besides its own limit, because the source may be at the other end of a link: its
/// bytes at 4 MB/s.
inline caf::timespan time_to_read(const source_ref& source) {
  return std::chrono::microseconds(source.size / 4);
}

} // namespace vp
