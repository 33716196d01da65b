#pragma once

#include "media/error.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/verb.hpp>

#include <chrono>
#include <string>

/// The words that all of the HTTP server shares.
namespace vp::http {

namespace asio = boost::asio;
namespace beast = boost::beast;

using clock = std::chrono::steady_clock;
using status = beast::http::status;
using field = beast::http::field;
using verb = beast::http::verb;
using request_head = beast::http::request_header<>;

/// Completes with the error code instead of throwing it.
inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// What a client is told instead of what it asked for: `{"detail": ...}`.
struct problem {
  status code = status::internal_server_error;
  std::string detail;
};

template <class T>
using answer = tl::expected<T, problem>;

inline tl::unexpected<problem> refuse(status code, std::string detail) {
  return tl::unexpected<problem>(problem{code, std::move(detail)});
}

/// The status that stands for an actor's error.
problem to_problem(const error& cause);

} // namespace vp::http
