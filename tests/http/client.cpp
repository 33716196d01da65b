#include "tests/http/client.hpp"

#include "http/events_api.hpp"
#include "http/files_api.hpp"
#include "http/nodes_api.hpp"
#include "http/router.hpp"
#include "http/status_api.hpp"
#include "http/upload_api.hpp"
#include "http/videos_api.hpp"

#include <boost/algorithm/string.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <variant>

namespace vp::http {

namespace {

/// Every answer of a route must be in the description of the interface. Throws, for it is called from threads too.
void check_described(const request_type& request, const response_type& response) {
  static const auto routes = [] {
    router all;
    add_upload_api(all);
    add_events_api(all);
    add_videos_api(all);
    add_nodes_api(all);
    add_status_api(all);
    add_files_api(all);
    return all;
  }();
  static const auto document = nlohmann::json::parse(openapi_document);
  const auto where = parse_target({request.target().data(), request.target().size()});
  if (!where)
    return;
  const auto match = routes.match(request.method(), *where);
  const auto* found = std::get_if<router::found>(&match);
  if (found == nullptr)
    return;
  const auto path = boost::replace_all_copy(found->way->pattern, "{*", "{");
  const auto method = boost::to_lower_copy(std::string{beast::http::to_string(found->way->method)});
  const auto code = std::to_string(response.result_int());
  if (!document.at("paths").at(path).at(method).at("responses").contains(code))
    throw std::logic_error{"not described: " + code + " of " + method + " " + path};
}

} // namespace

request_type make_request(verb method, std::string_view target, std::string body) {
  request_type request{method, {target.data(), target.size()}, 11};
  request.set(field::host, "localhost");
  request.body() = std::move(body);
  if (method == verb::post)
    request.prepare_payload();
  return request;
}

nlohmann::json json_of(const response_type& response) {
  CHECK(response[field::content_type] == "application/json");
  auto parsed = nlohmann::json::parse(response.body(), nullptr, false);
  INFO(response.body());
  REQUIRE_FALSE(parsed.is_discarded());
  return parsed;
}

std::string detail_of(const response_type& response) {
  const auto parsed = json_of(response);
  REQUIRE(parsed.contains("detail"));
  const auto detail = parsed["detail"].get<std::string>();
  CHECK_FALSE(detail.empty());
  return detail;
}

void check_fields(const nlohmann::json& answer, const std::string& schema) {
  static const auto document = nlohmann::json::parse(openapi_document);
  const auto& described = document.at("components").at("schemas").at(schema);
  for (const auto& [name, value] : answer.items()) {
    CAPTURE(schema, name);
    CHECK(described.at("properties").contains(name));
  }
  for (const auto& name : described.at("required")) {
    CAPTURE(schema, name);
    CHECK(answer.contains(name));
  }
}

client::client(std::uint16_t port) : port_(port) {
  connect();
}

void client::connect() {
  socket_ = asio::ip::tcp::socket{socket_.get_executor()};
  socket_.connect({asio::ip::address_v4::loopback(), port_});
  socket_.set_option(asio::ip::tcp::no_delay{true});
  set_limit(std::chrono::seconds(20));
  last_ = false;
  buffer_.clear();
  pending_.clear();
}

void client::set_limit(std::chrono::milliseconds limit) {
  timeval time{};
  time.tv_sec = limit.count() / 1000;
  time.tv_usec = static_cast<suseconds_t>(limit.count() % 1000 * 1000);
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    REQUIRE(::setsockopt(socket_.native_handle(), SOL_SOCKET, option, &time, sizeof(time)) == 0);
}

response_type client::send(const request_type& request) {
  if (last_)
    connect();
  beast::http::write(socket_, request);
  auto response = read_response(request.method() == verb::head);
  last_ = !response.keep_alive();
  check_described(request, response);
  return response;
}

response_type client::get(std::string_view target) {
  return send(make_request(verb::get, target));
}

response_type client::post(std::string_view target, std::string body, std::string_view type) {
  auto request = make_request(verb::post, target, std::move(body));
  request.set(field::content_type, {type.data(), type.size()});
  return send(request);
}

response_type client::post_json(std::string_view target, const nlohmann::json& body) {
  return post(target, body.dump(), "application/json");
}

void client::write(std::string_view data) {
  asio::write(socket_, asio::buffer(data));
}

std::size_t client::write_while_taken(std::string_view data) {
  std::size_t written = 0;
  while (written < data.size()) {
    beast::error_code failure;
    written += socket_.write_some(asio::buffer(data.substr(written)), failure);
    if (failure)
      break;
  }
  return written;
}

response_type client::read_response(bool to_head) {
  // An interim response is no response yet.
  for (;;) {
    beast::http::response_parser<beast::http::string_body> next;
    next.body_limit(boost::none);
    next.skip(to_head);
    beast::http::read_header(socket_, buffer_, next);
    if (next.get().result() == status::continue_)
      continue;
    beast::http::read(socket_, buffer_, next);
    return next.release();
  }
}

std::string client::read_until(std::string_view mark) {
  const auto size = asio::read_until(socket_, asio::dynamic_buffer(pending_), std::string{mark});
  auto text = pending_.substr(0, size);
  pending_.erase(0, size);
  return text;
}

std::string client::read_some() {
  if (pending_.empty()) {
    pending_.resize(64 * 1024);
    pending_.resize(socket_.read_some(asio::buffer(pending_)));
  }
  return std::exchange(pending_, {});
}

std::optional<std::string> client::read_to_end(std::chrono::milliseconds limit) {
  set_limit(limit);
  beast::error_code failure;
  asio::read(socket_, asio::dynamic_buffer(pending_), failure);
  set_limit(std::chrono::seconds(20));
  if (failure != asio::error::eof)
    return std::nullopt;
  return std::exchange(pending_, {});
}

void client::close() {
  socket_.close();
}

bool client::is_closed(std::chrono::milliseconds limit) {
  set_limit(limit);
  beast::error_code failure;
  char byte = 0;
  while (socket_.read_some(asio::buffer(&byte, 1), failure) == 1) {
  }
  return failure == asio::error::eof || failure == asio::error::connection_reset;
}

} // namespace vp::http
