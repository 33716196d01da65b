#pragma once

#include "http/connection.hpp"
#include "http/limits.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace vp::http {

/// The body of the request that is being served, read as far and as fast as the handler wants it.
///
/// A client that waits with `Expect: 100-continue` is told to go on by the first read, so a handler that refuses before
/// that spares it the upload.
class body_reader {
public:
  body_reader(connection& client, request_parser& parser);

  /// Bytes in all, where the client has said it; nothing for a chunked body.
  std::optional<std::uint64_t> length() const { return length_; }
  /// Nothing is left to read.
  bool done() const;
  /// What is left is so little that reading it is cheaper than a new connection.
  bool is_nearly_done() const;

  /// The next bytes, at most as many as `out` holds; 0 at the end. 408 for a client that is too slow, 400 for one that
  /// goes away early.
  asio::awaitable<answer<std::size_t>> read(asio::mutable_buffer out);
  /// All of it, or 413.
  asio::awaitable<answer<std::string>> read_all(std::uint64_t most);
  /// Drops the rest of a body that `is_nearly_done`.
  asio::awaitable<bool> skip();

private:
  asio::awaitable<beast::error_code> invite();
  asio::awaitable<answer<std::size_t>> read_sized(asio::mutable_buffer out);
  asio::awaitable<answer<std::size_t>> read_chunked(asio::mutable_buffer out);
  answer<std::size_t> count(answer<std::size_t> got);

  connection& client_;
  request_parser& parser_;
  std::optional<std::uint64_t> length_;
  pace pace_;
  bool invitation_due_ = false;
};

} // namespace vp::http
