#include "nodes/door.hpp"

#include "nodes/tls.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include <array>
#include <exception>
#include <thread>
#include <tuple>

namespace vp::nodes {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t most_visitors = 64;
constexpr std::chrono::seconds patience{5};
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

/// Somebody at the door. Shared with the timer, whose handler may already be on its way when the visit ends.
struct visitor {
  visitor(tcp::socket socket, asio::ssl::context& tls)
      : limit(socket.get_executor(), patience), stream(std::move(socket), tls) {}

  asio::steady_timer limit;
  asio::ssl::stream<tcp::socket> stream;
  bool late = false;
};

std::string refusal(visitor& who, const error_code& failure) {
  if (const auto code = SSL_get_verify_result(who.stream.native_handle()); code != X509_V_OK)
    return "its certificate " + distrust(code);
  const auto reason = tls_reason(failure);
  if (auto told = told_by_peer(reason))
    return "it refuses this server's certificate: " + *told;
  switch (reason) {
  case 0:
    return "it hung up before it had shown a certificate";
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return "it sent no certificate";
  case SSL_R_UNSUPPORTED_PROTOCOL:
    return "it speaks no TLS 1.3";
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_HTTP_REQUEST:
  case SSL_R_HTTPS_PROXY_REQUEST:
    return "it spoke no TLS";
  default:
    return fmt::format("it spoke no TLS as it is expected here ({})", failure.message());
  }
}

/// The visitor's name, or why it is not let in.
result<std::string> judge(visitor& who, const error_code& failure) {
  if (who.late)
    return fail(errc::timed_out, fmt::format("it took longer than {} s", patience.count()));
  if (failure)
    return fail(errc::invalid_request, refusal(who, failure));
  const handle<X509> certificate{SSL_get1_peer_certificate(who.stream.native_handle())};
  auto name = name_of(*certificate);
  if (!name)
    return fail(errc::invalid_request, "its certificate " + name.error().text);
  return name;
}

/// Closes when the visitor has: with bytes of its left unread here, closing would reset the connection, and could take
/// from it the alert that says why it was refused.
asio::awaitable<void> see_off(tcp::socket& socket) {
  error_code closed;
  socket.shutdown(tcp::socket::shutdown_send, closed);
  std::array<char, 4096> ignored{};
  while (!closed)
    std::tie(closed, std::ignore) = co_await socket.async_read_some(asio::buffer(ignored), as_result);
}

} // namespace

struct door::state {
  state(handle<SSL_CTX> context, door_greeting greet, door_log callback)
      : tls(context.release()), greeting(std::move(greet)), log(std::move(callback)) {}
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    loop.stop();
    if (thread.joinable())
      thread.join();
  }

  result<void> listen(const std::string& address, std::uint16_t wanted);
  asio::awaitable<void> accept();
  asio::awaitable<void> receive(tcp::socket accepted, tcp::endpoint peer);

  asio::io_context loop{1};
  asio::ssl::context tls;
  tcp::acceptor acceptor{loop};
  asio::steady_timer pause{loop};
  std::uint16_t port = 0;
  door_greeting greeting;
  door_log log;
  std::size_t visitors = 0;
  std::thread thread;
};

result<void> door::state::listen(const std::string& address, std::uint16_t wanted) {
  error_code failure;
  const tcp::endpoint endpoint{asio::ip::make_address(address, failure), wanted};
  if (failure)
    return fail(errc::invalid_request, fmt::format("'{}' is not an IP address", address));
  acceptor.open(endpoint.protocol(), failure);
  if (!failure)
    acceptor.set_option(asio::socket_base::reuse_address{true}, failure);
  if (!failure)
    acceptor.bind(endpoint, failure);
  if (!failure)
    acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure)
    return fail(errc::io_failed, fmt::format("cannot listen on {} port {}: {}", address, wanted, failure.message()));
  port = acceptor.local_endpoint(failure).port();
  return {};
}

asio::awaitable<void> door::state::accept() {
  for (;;) {
    while (visitors >= most_visitors) {
      pause.expires_at(asio::steady_timer::time_point::max());
      co_await pause.async_wait(as_result);
    }
    tcp::endpoint peer;
    auto [failure, socket] = co_await acceptor.async_accept(peer, as_result);
    if (failure) { // such as too many open files
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(as_result);
      continue;
    }
    ++visitors;
    asio::co_spawn(loop, receive(std::move(socket), peer), [this](const std::exception_ptr&) {
      --visitors;
      pause.cancel();
    });
  }
}

asio::awaitable<void> door::state::receive(tcp::socket accepted, tcp::endpoint peer) {
  const auto who = std::make_shared<visitor>(std::move(accepted), tls);
  who->limit.async_wait([who](const error_code& cancelled) {
    if (cancelled)
      return;
    who->late = true;
    error_code ignored;
    who->stream.next_layer().close(ignored);
  });
  auto [failure] = co_await who->stream.async_handshake(asio::ssl::stream_base::server, as_result);
  const auto name = judge(*who, failure);
  log(place(peer.address().to_string(), peer.port()), name);
  if (name) {
    const auto line = greeting(*name) + '\n';
    co_await asio::async_write(who->stream, asio::buffer(line), as_result);
    co_await who->stream.async_shutdown(as_result);
  }
  co_await see_off(who->stream.next_layer());
  who->limit.cancel();
}

result<std::unique_ptr<door>> door::open(const std::string& address, std::uint16_t port, const identity& who,
                                         door_greeting greeting, door_log log) {
  if (auto good = check(who, role::server); !good)
    return tl::unexpected(good.error());
  auto tls = tls_context(who, role::server);
  if (!tls)
    return tl::unexpected(tls.error());
  try {
    auto opened = std::make_unique<state>(std::move(*tls), std::move(greeting), std::move(log));
    if (auto listening = opened->listen(address, port); !listening)
      return tl::unexpected(listening.error());
    asio::co_spawn(opened->loop, opened->accept(), asio::detached);
    opened->thread = std::thread{[&loop = opened->loop] { loop.run(); }};
    return std::unique_ptr<door>{new door{std::move(opened)}};
  } catch (const std::exception& problem) { // no more threads, or no more memory
    return fail(errc::io_failed, fmt::format("the door can't be opened: {}", problem.what()));
  }
}

door::door(std::unique_ptr<state> opened) : state_(std::move(opened)) {}

door::~door() = default;

std::uint16_t door::port() const {
  return state_->port;
}

} // namespace vp::nodes
