#pragma once

#include "http/exchange.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace vp::http {

/// Where servers share a data folder, one of them works on a video, and there are requests that only that one can do.
/// Such a request, passed on to the owner without its body, with the answer whose head has come.
class passed_request {
public:
  /// Of a request for `head` no body follows.
  passed_request(asio::any_io_executor executor, bool is_head);
  passed_request(const passed_request&) = delete;
  passed_request& operator=(const passed_request&) = delete;

  /// Sends `request` to the server at `url` and reads the answer's head, in `limit` at most. What is read later may
  /// take as long as `rest`.
  asio::awaitable<result<void>> send(const exchange& request, const std::string& url, std::chrono::milliseconds limit,
                                     std::chrono::milliseconds rest);

  status code() const { return parser_.get().result(); }
  /// The whole answer, at most 1 MiB.
  asio::awaitable<result<reply>> whole();
  /// Reads the body to its end and forgets it.
  asio::awaitable<result<void>> skip();

private:
  asio::awaitable<result<void>> read_body(std::string* into);

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  beast::http::response_parser<beast::http::buffer_body> parser_;
};

/// Passes a request on. Null when it is to be done here: nobody works on the video or this server does, the owner
/// passed the request on itself, or the owner does not answer within the limits' `owner_time`. Behind the head its
/// answer may take as long as `rest`.
asio::awaitable<std::shared_ptr<passed_request>> pass_to_owner(const exchange& request, const std::string& video_hash,
                                                               std::chrono::milliseconds rest);

/// The owner's answer to a request that changes something; nothing where `pass_to_owner` gives none.
asio::awaitable<std::optional<reply>> ask_owner(const exchange& request, const std::string& video_hash);

/// Who asks, without a port: where another server of this machine passed the request on, its client.
std::string viewer_of(const exchange& request);

} // namespace vp::http
