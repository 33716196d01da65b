#include "http/owner.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <utility>

namespace vp::http {

namespace {

/// In a request that was passed on, so that it is not passed on again: until when its answer is waited for,
/// milliseconds since 1970 by the clock of the machine that all servers of a data folder share. Who wakes up later than
/// that must not do what was done elsewhere meanwhile.
constexpr beast::string_view forwarded = "X-Vidpipeline-Forwarded";

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

reply to_reply(beast::http::response<beast::http::string_body> response) {
  reply answer;
  answer.head.result(response.result_int());
  for (const auto name : {field::content_type, field::cache_control, field::retry_after})
    if (const auto found = response.find(name); found != response.end())
      answer.head.set(name, found->value());
  answer.body = std::move(response.body());
  return answer;
}

asio::awaitable<tl::expected<reply, beast::error_code>> pass_on(const exchange& request, const std::string& url,
                                                                std::chrono::milliseconds limit) {
  const auto [host, port] = parse_origin(url);
  const auto deadline = in_milliseconds(std::chrono::system_clock::now() + limit);
  beast::tcp_stream stream{co_await asio::this_coro::executor};
  stream.expires_after(limit);
  asio::ip::tcp::resolver resolver{stream.get_executor()};
  const auto [unknown, endpoints] = co_await resolver.async_resolve(host, port, as_result);
  if (unknown)
    co_return tl::unexpected(unknown);
  if (const auto [failure, endpoint] = co_await stream.async_connect(endpoints, as_result); failure)
    co_return tl::unexpected(failure);
  beast::http::request<beast::http::empty_body> passed{request.head.method(), request.head.target(), 11};
  passed.set(field::host, host + ":" + port);
  passed.set(forwarded, std::to_string(deadline));
  passed.keep_alive(false);
  passed.prepare_payload();
  if (const auto [failure, size] = co_await beast::http::async_write(stream, passed, as_result); failure)
    co_return tl::unexpected(failure);
  beast::flat_buffer buffer;
  beast::http::response<beast::http::string_body> response;
  if (const auto [failure, size] = co_await beast::http::async_read(stream, buffer, response, as_result); failure)
    co_return tl::unexpected(failure);
  co_return to_reply(std::move(response));
}

} // namespace

asio::awaitable<std::optional<reply>> ask_owner(const exchange& request, const std::string& video_hash,
                                                std::chrono::milliseconds limit) {
  if (const auto passed = request.head.find(forwarded); passed != request.head.end()) {
    if (is_late(passed->value()))
      co_return problem_reply(problem{status::gateway_timeout, "this was passed on too late"});
    co_return std::nullopt;
  }
  const auto& own = request.app.config.url;
  if (own.empty())
    co_return std::nullopt;
  const auto url = co_await request.ask<std::string>(request.app.actors.catalog, request.limits().answer_time,
                                                     claim_atom_v, video_hash);
  if (!url || url->empty() || *url == own)
    co_return std::nullopt;
  auto answer = co_await pass_on(request, *url, limit);
  if (answer)
    co_return std::move(*answer);
  spdlog::warn("the server at {} that works on {} does not answer: {}", *url, video_hash, answer.error().message());
  co_return std::nullopt;
}

} // namespace vp::http
