#pragma once

#include "http/common.hpp"
#include "media/error.hpp"

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

/// A file that is not there yet: its first bytes are sent at once, and the rest when it has come. Where it does not
/// come the connection is broken off, so that the client does not take what it has for all.
struct late_file {
  std::string first;
  std::function<asio::awaitable<result<file_slice>>(connection&)> rest;
};

/// What a handler answers. The connection adds what every response has: length, date, CORS.
struct reply {
  beast::http::response_header<> head;
  std::variant<std::string, file_slice, stream, late_file> body;
};

/// Nothing but a status.
reply empty_reply(status code);
reply text_reply(status code, std::string_view type, std::string body);
reply json_reply(status code, const nlohmann::json& body);
reply problem_reply(const problem& cause);
reply problem_reply(const error& cause);

} // namespace vp::http
