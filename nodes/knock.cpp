// The worker's end of the door; nodes/door.hpp says what.

#include "nodes/door.hpp"
#include "nodes/tls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <exception>
#include <optional>

namespace vp::nodes {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// One knock at one door.
class caller {
public:
  caller(const std::string& host, std::uint16_t port, handle<SSL_CTX> tls)
      : host_(host), port_(port), place_(place(host, port)), tls_(tls.release()) {}

  result<std::string> call(std::chrono::steady_clock::time_point deadline);

private:
  asio::awaitable<result<std::string>> talk();
  tl::unexpected<error> no_handshake(SSL* ssl, const error_code& failure) const;
  tl::unexpected<error> no_greeting(const error_code& failure) const;

  std::string host_;
  std::uint16_t port_;
  std::string place_;
  asio::ssl::context tls_;
  asio::io_context loop_{1};
  bool connected_ = false;
};

result<std::string> caller::call(std::chrono::steady_clock::time_point deadline) {
  std::optional<result<std::string>> outcome;
  asio::co_spawn(loop_, talk(), [&](const std::exception_ptr& problem, result<std::string> heard) {
    if (problem)
      std::rethrow_exception(problem);
    outcome = std::move(heard);
  });
  loop_.run_until(deadline);
  if (outcome)
    return std::move(*outcome);
  return fail(errc::timed_out, connected_ ? fmt::format("{} takes too long to answer", place_)
                                          : fmt::format("can't connect to {}: it does not answer", place_));
}

asio::awaitable<result<std::string>> caller::talk() {
  tcp::resolver resolver{loop_};
  const auto [unknown, endpoints] = co_await resolver.async_resolve(host_, std::to_string(port_), as_result);
  if (unknown)
    co_return fail(errc::io_failed, fmt::format("can't find {}: {}", host_, unknown.message()));
  asio::ssl::stream<tcp::socket> stream{loop_, tls_};
  const auto [unreachable, endpoint] = co_await asio::async_connect(stream.next_layer(), endpoints, as_result);
  if (unreachable)
    co_return fail(errc::io_failed, fmt::format("can't connect to {}: {}", place_, unreachable.message()));
  connected_ = true;
  const auto [failure] = co_await stream.async_handshake(asio::ssl::stream_base::client, as_result);
  if (failure)
    co_return no_handshake(stream.native_handle(), failure);
  // In TLS 1.3 the handshake ends here before the server has looked at our certificate: it is the first read that
  // brings either the greeting or the alert.
  std::string heard;
  const auto [unheard, length] =
      co_await asio::async_read_until(stream, asio::dynamic_buffer(heard, largest_greeting), '\n', as_result);
  if (unheard)
    co_return no_greeting(unheard);
  co_return heard.substr(0, length - 1);
}

tl::unexpected<error> caller::no_handshake(SSL* ssl, const error_code& failure) const {
  if (const auto code = SSL_get_verify_result(ssl); code != X509_V_OK)
    return fail(errc::invalid_request, "the server's certificate " + distrust(code));
  switch (tls_reason(failure)) {
  case 0:
    return fail(errc::io_failed, fmt::format("{} ended the connection before it had shown a certificate", place_));
  case SSL_R_WRONG_VERSION_NUMBER:
    return fail(errc::invalid_request, fmt::format("{} does not speak TLS", place_));
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return fail(errc::invalid_request, fmt::format("{} does not speak TLS 1.3", place_));
  default:
    return fail(errc::invalid_request,
                fmt::format("{} speaks no TLS as a server's door does ({})", place_, failure.message()));
  }
}

tl::unexpected<error> caller::no_greeting(const error_code& failure) const {
  if (failure == asio::error::not_found) // no end of a line within the limit
    return fail(errc::invalid_request, fmt::format("{} is not a server's door: its greeting has no end", place_));
  const auto reason = tls_reason(failure);
  if (auto told = told_by_peer(reason))
    return fail(errc::invalid_request, "the server refuses this worker's certificate: " + *told);
  if (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)
    return fail(errc::invalid_request, "the server wants a certificate");
  if (reason != 0)
    return fail(errc::invalid_request, fmt::format("{} ended the connection ({})", place_, failure.message()));
  return fail(errc::io_failed, fmt::format("{} ended the connection without a greeting", place_));
}

} // namespace

result<std::string> knock(const std::string& host, std::uint16_t port, const identity& who,
                          std::chrono::steady_clock::time_point deadline) {
  auto tls = tls_context(who, role::worker);
  if (!tls)
    return tl::unexpected(tls.error());
  try {
    return caller{host, port, std::move(*tls)}.call(deadline);
  } catch (const std::exception& problem) { // no more descriptors, or no more memory
    return fail(errc::io_failed, fmt::format("can't connect to {}: {}", place(host, port), problem.what()));
  }
}

} // namespace vp::nodes
