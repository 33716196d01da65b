#pragma once

#include "http/common.hpp"

#include <boost/beast/core/file_posix.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace vp::http {

class connection;

/// A piece of an open file.
struct file_slice {
  beast::file_posix file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0; ///< bytes
};

/// A body without an end that is known: writes itself to the connection until one of the two has had enough.
using stream = std::function<asio::awaitable<void>(connection&)>;

/// What a handler answers. The connection adds what every response has: length, date, CORS.
struct reply {
  beast::http::response_header<> head;
  std::variant<std::string, file_slice, stream> body;
};

/// Nothing but a status.
reply empty_reply(status code);
reply text_reply(status code, std::string_view type, std::string body);
reply json_reply(status code, const nlohmann::json& body);
reply problem_reply(const problem& cause);
reply problem_reply(const error& cause);

} // namespace vp::http
