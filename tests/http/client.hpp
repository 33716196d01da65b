#pragma once

#include "http/common.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace vp::http {

using request_type = beast::http::request<beast::http::string_body>;
using response_type = beast::http::response<beast::http::string_body>;

/// A request with a Host.
request_type make_request(verb method, std::string_view target, std::string body = {});

/// The body as JSON; fails the test when it is none.
nlohmann::json json_of(const response_type& response);

/// The sentence of an error; fails the test when there is none.
std::string detail_of(const response_type& response);

/// Whether an object has the fields that the description of the interface gives this schema; fails the test when not.
void check_fields(const nlohmann::json& answer, const std::string& schema);

/// One connection to a server on this machine, and what a test wants to do with it. No answer within 20 s is an
/// exception.
class client {
public:
  explicit client(std::uint16_t port);
  client(client&&) = default;

  /// Begins anew with another connection.
  void connect();

  /// Throws at an answer that the description of the interface does not have.
  response_type send(const request_type& request);
  response_type get(std::string_view target);
  response_type post(std::string_view target, std::string body, std::string_view type = "application/octet-stream");
  response_type post_json(std::string_view target, const nlohmann::json& body);

  // -- the bytes themselves

  void write(std::string_view data);
  /// As much as the server takes before it closes or stops reading for a while.
  std::size_t write_while_taken(std::string_view data);
  response_type read_response(bool to_head = false);
  /// Reads until `mark` has come; all that came up to and with it, without what was given out before.
  std::string read_until(std::string_view mark);
  /// Some bytes, at least one.
  std::string read_some();
  /// Reads until the server closes; nothing if it does not within `limit`.
  std::optional<std::string> read_to_end(std::chrono::milliseconds limit = std::chrono::seconds(20));
  /// What `read_to_end` has read when it had no end; forgotten then.
  std::string seen() { return std::exchange(pending_, {}); }
  void close();
  /// Whether the server has closed the connection, or does so within `limit`.
  bool is_closed(std::chrono::milliseconds limit = std::chrono::seconds(20));

private:
  void set_limit(std::chrono::milliseconds limit);

  std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>();
  asio::ip::tcp::socket socket_{*context_};
  std::uint16_t port_;
  bool last_ = false;         ///< the server ends this connection; the next request needs another
  beast::flat_buffer buffer_; ///< of responses
  std::string pending_;       ///< of the bytes themselves
};

} // namespace vp::http
