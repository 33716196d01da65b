#include "http/body_reader.hpp"

#include "http/service.hpp"

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>
#include <array>

namespace vp::http {

namespace {

tl::unexpected<problem> to_refusal(beast::error_code failure) {
  if (failure == beast::error::timeout)
    return refuse(status::request_timeout, "the body came too slowly");
  if (failure == beast::http::error::partial_message || failure == asio::error::eof)
    return refuse(status::bad_request, "the body ended early");
  return refuse(status::bad_request, "the body could not be read: " + failure.message());
}

} // namespace

body_reader::body_reader(connection& client, request_parser& parser)
    : client_(client), parser_(parser),
      pace_{client.app().config.limits.body_idle, client.app().config.limits.body_rate} {
  if (parser.chunked())
    parser.get().body().size = 0;
  else
    length_ = parser.content_length().value_or(0);
  invitation_due_ = beast::iequals(parser.get()[field::expect], "100-continue") && !done();
}

bool body_reader::done() const {
  return length_ ? pace_.bytes == *length_ : parser_.is_done();
}

bool body_reader::is_nearly_done() const {
  constexpr std::uint64_t cheap = 64 * 1024;
  return done() || (length_ && *length_ - pace_.bytes <= cheap && !invitation_due_);
}

asio::awaitable<beast::error_code> body_reader::invite() {
  if (!std::exchange(invitation_due_, false))
    co_return beast::error_code{};
  co_return co_await client_.write("HTTP/1.1 100 Continue\r\n\r\n");
}

asio::awaitable<answer<std::size_t>> body_reader::read(asio::mutable_buffer out) {
  if (done() || out.size() == 0)
    co_return 0;
  if (auto failure = co_await invite())
    co_return to_refusal(failure);
  if (length_)
    co_return count(co_await read_sized(out));
  co_return count(co_await read_chunked(out));
}

answer<std::size_t> body_reader::count(answer<std::size_t> got) {
  if (got) {
    pace_.bytes += *got;
    client_.app().measures.received.Increment(static_cast<double>(*got));
  }
  return got;
}

asio::awaitable<answer<std::size_t>> body_reader::read_sized(asio::mutable_buffer out) {
  out = asio::buffer(out, static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), *length_ - pace_.bytes)));
  auto& early = client_.buffer();
  if (early.size() > 0) {
    const auto copied = asio::buffer_copy(out, early.data());
    early.consume(copied);
    co_return copied;
  }
  const auto start = clock::now();
  const auto [failure, size] = co_await client_.read_some(out, pace_.patience());
  pace_.waited += clock::now() - start;
  if (failure)
    co_return to_refusal(failure);
  co_return size;
}

asio::awaitable<answer<std::size_t>> body_reader::read_chunked(asio::mutable_buffer out) {
  auto& body = parser_.get().body();
  body.data = out.data();
  body.size = out.size();
  while (!parser_.is_done() && body.size == out.size()) {
    const auto start = clock::now();
    const auto failure = co_await client_.read_some(parser_, pace_.patience());
    pace_.waited += clock::now() - start;
    if (failure && failure != beast::http::error::need_buffer)
      co_return to_refusal(failure);
  }
  const auto size = out.size() - body.size;
  body.data = nullptr;
  body.size = 0;
  co_return size;
}

asio::awaitable<answer<std::string>> body_reader::read_all(std::uint64_t most) {
  const auto too_large = [] { return refuse(status::payload_too_large, "the body is too large"); };
  if (length_.value_or(0) > most)
    co_return too_large();
  std::string text;
  std::array<char, 4096> piece{};
  while (!done()) {
    const auto size = co_await read(asio::buffer(piece));
    if (!size)
      co_return tl::unexpected(size.error());
    if (text.size() + *size > most)
      co_return too_large();
    text.append(piece.data(), *size);
  }
  co_return text;
}

asio::awaitable<bool> body_reader::skip() {
  std::array<char, 4096> piece{};
  while (!done()) {
    if (!co_await read(asio::buffer(piece)))
      co_return false;
  }
  co_return true;
}

} // namespace vp::http
