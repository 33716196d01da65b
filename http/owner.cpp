#include "http/owner.hpp"

#include "http/connection.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <utility>
#include <vector>

namespace vp::http {

namespace {

/// In a request that was passed on, so that it is not passed on again: until when its answer is waited for,
/// milliseconds since 1970 by the clock of the machine that all servers of a data folder share. Who wakes up later than
/// that must not do what was done elsewhere meanwhile.
constexpr beast::string_view forwarded = "X-Vidpipeline-Forwarded";

/// In the same, the address of the client that it came from.
constexpr beast::string_view viewer = "X-Vidpipeline-Viewer";

std::int64_t in_milliseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

bool is_late(beast::string_view deadline) {
  std::int64_t until = 0;
  std::from_chars(deadline.data(), deadline.data() + deadline.size(), until);
  return in_milliseconds(std::chrono::system_clock::now()) > until;
}

struct origin {
  std::string host;
  std::string port;
};

/// Of `http://host[:port]`; the host may be an IPv6 address in brackets.
origin parse_origin(std::string_view url) {
  if (constexpr std::string_view scheme = "http://"; url.starts_with(scheme))
    url.remove_prefix(scheme.size());
  url = url.substr(0, url.find('/'));
  const auto colon = url.find(':', url.starts_with('[') ? url.find(']') : 0);
  auto host = url.substr(0, colon);
  if (host.starts_with('['))
    host = host.substr(1, host.size() - 2);
  return {std::string{host}, colon == std::string_view::npos ? "80" : std::string{url.substr(colon + 1)}};
}

error unreachable(const beast::error_code& why) {
  return {errc::io_failed, why.message()};
}

} // namespace

passed_request::passed_request(asio::any_io_executor executor, bool is_head) : stream_(std::move(executor)) {
  parser_.skip(is_head);
  parser_.body_limit(boost::none);
}

asio::awaitable<result<void>> passed_request::send(const exchange& request, const std::string& url,
                                                   std::chrono::milliseconds limit, std::chrono::milliseconds rest) {
  const auto [host, port] = parse_origin(url);
  const auto deadline = in_milliseconds(std::chrono::system_clock::now() + limit);
  stream_.expires_after(limit);
  asio::ip::tcp::resolver resolver{stream_.get_executor()};
  const auto [unknown, endpoints] = co_await resolver.async_resolve(host, port, as_result);
  if (unknown)
    co_return tl::unexpected(unreachable(unknown));
  if (const auto [failure, endpoint] = co_await stream_.async_connect(endpoints, as_result); failure)
    co_return tl::unexpected(unreachable(failure));
  beast::http::request<beast::http::empty_body> passed{request.head.method(), request.head.target(), 11};
  passed.set(field::host, host + ":" + port);
  passed.set(forwarded, std::to_string(deadline));
  passed.set(viewer, request.client.address());
  passed.keep_alive(false);
  passed.prepare_payload();
  if (const auto [failure, size] = co_await beast::http::async_write(stream_, passed, as_result); failure)
    co_return tl::unexpected(unreachable(failure));
  if (const auto [failure, size] = co_await beast::http::async_read_header(stream_, buffer_, parser_, as_result);
      failure)
    co_return tl::unexpected(unreachable(failure));
  stream_.expires_after(rest);
  co_return result<void>{};
}

asio::awaitable<result<void>> passed_request::read_body(std::string* into) {
  constexpr std::size_t most = std::size_t{1} << 20U;
  std::vector<char> piece(std::size_t{64} * 1024);
  while (!parser_.is_done()) {
    auto& body = parser_.get().body();
    body.data = piece.data();
    body.size = piece.size();
    const auto [failure, size] = co_await beast::http::async_read_some(stream_, buffer_, parser_, as_result);
    if (failure && failure != beast::http::error::need_buffer)
      co_return tl::unexpected(unreachable(failure));
    const auto got = piece.size() - body.size;
    if (into != nullptr && into->size() + got > most)
      co_return fail(errc::too_large, "its answer has no end");
    if (into != nullptr)
      into->append(piece.data(), got);
  }
  co_return result<void>{};
}

asio::awaitable<result<reply>> passed_request::whole() {
  std::string body;
  if (const auto read = co_await read_body(&body); !read)
    co_return tl::unexpected(read.error());
  reply answer;
  const auto& head = parser_.get();
  answer.head.result(head.result_int());
  for (const auto name : {field::content_type, field::cache_control, field::retry_after})
    if (const auto found = head.find(name); found != head.end())
      answer.head.set(name, found->value());
  answer.body = std::move(body);
  co_return answer;
}

asio::awaitable<result<void>> passed_request::skip() {
  return read_body(nullptr);
}

asio::awaitable<std::shared_ptr<passed_request>> pass_to_owner(const exchange& request, const std::string& video_hash,
                                                               std::chrono::milliseconds rest) {
  const auto& own = request.app.config.url;
  if (own.empty() || request.head.find(forwarded) != request.head.end())
    co_return nullptr;
  const auto url = co_await request.ask<std::string>(request.app.actors.catalog, request.limits().answer_time,
                                                     claim_atom_v, video_hash);
  if (!url || url->empty() || *url == own)
    co_return nullptr;
  auto passed =
      std::make_shared<passed_request>(co_await asio::this_coro::executor, request.head.method() == verb::head);
  if (const auto sent = co_await passed->send(request, *url, request.limits().owner_time, rest); !sent) {
    spdlog::warn("the server at {} that works on {} does not answer: {}", *url, video_hash, sent.error().text);
    co_return nullptr;
  }
  co_return passed;
}

asio::awaitable<std::optional<reply>> ask_owner(const exchange& request, const std::string& video_hash) {
  if (const auto passed = request.head.find(forwarded); passed != request.head.end() && is_late(passed->value()))
    co_return problem_reply(problem{status::gateway_timeout, "this was passed on too late"});
  const auto passed = co_await pass_to_owner(request, video_hash, request.limits().owner_time);
  if (!passed)
    co_return std::nullopt;
  auto answer = co_await passed->whole();
  if (answer)
    co_return std::move(*answer);
  spdlog::warn("the server that works on {} breaks off its answer: {}", video_hash, answer.error().text);
  co_return std::nullopt;
}

std::string viewer_of(const exchange& request) {
  // Anybody can write such fields; only a process of this machine is believed.
  const auto named = request.head.find(viewer);
  if (named != request.head.end() && request.head.find(forwarded) != request.head.end()
      && request.client.is_from_here())
    return std::string{named->value()};
  return request.client.address();
}

} // namespace vp::http
