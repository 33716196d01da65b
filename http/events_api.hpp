#pragma once

#include "actors/messages.hpp"
#include "http/router.hpp"

#include <string>
#include <string_view>

namespace vp::http {

/// Server-Sent Events: of all videos, and of one.
void add_events_api(router& routes);

/// One event in the `text/event-stream` format (HTML Living Standard section 9.2.5). An id of 0 is left out.
std::string format_event(std::uint64_t id, std::string_view kind, std::string_view data);

} // namespace vp::http
