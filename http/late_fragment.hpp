#pragma once

#include "http/exchange.hpp"

#include <string>

namespace vp::http {

/// Answers a GET of a fragment that is not on disk. One that will be is asked for, and the answer begins at once:
/// players wait for the end of an answer much longer than for its beginning. Where the fragment fails the connection is
/// broken off. 404 for what will never be, 503 where too much is being waited for.
asio::awaitable<reply> late_fragment(exchange& request);

} // namespace vp::http
