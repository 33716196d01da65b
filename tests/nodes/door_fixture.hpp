#pragma once

#include "nodes/door.hpp"
#include "nodes/tls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <thread>

namespace vp::nodes::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

constexpr auto loopback = "127.0.0.1";
constexpr std::chrono::days year{365};
const std::string greeting = R"({"port":4242})";

/// What the doors here say: the greeting, to the name that they saw.
inline std::string greet(const std::string& name) {
  return greeting + " to " + name;
}

/// What a door's log was told.
struct visit {
  std::string peer;
  result<std::string> name;
};

/// A door's log, from which a test takes what comes.
class visit_log {
public:
  door_log callback() {
    return [this](const std::string& peer, const result<std::string>& name) {
      const std::lock_guard lock{mutex_};
      visits_.push_back({peer, name});
      more_.notify_one();
    };
  }

  visit next() {
    std::unique_lock lock{mutex_};
    REQUIRE(more_.wait_for(lock, 20s, [this] { return !visits_.empty(); }));
    auto first = std::move(visits_.front());
    visits_.pop_front();
    return first;
  }

  /// Why the next one was refused.
  std::string refusal() {
    auto last = next();
    REQUIRE_FALSE(last.name);
    CHECK_THAT(last.peer, Catch::StartsWith(loopback + std::string{":"}));
    return last.name.error().text;
  }

private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<visit> visits_;
};

/// An authority, a server and a worker, and more of them as a test wants them.
class authority {
public:
  authority() { REQUIRE(make_authority(folder_.path())); }

  identity of(const std::string& name, role as = role::worker, const validity& when = valid_for(year)) const {
    REQUIRE(issue(folder_.path(), name, as, when, existing::replace));
    return identity_in(folder_.path(), name);
  }
  identity itself() const { return identity_in(folder_.path(), "ca"); }

private:
  vp::test::temporary_folder folder_;
};

inline validity past() {
  const auto now = std::chrono::system_clock::now();
  return {now - 48h, now - 24h};
}

inline validity future() {
  const auto now = std::chrono::system_clock::now();
  return {now + 24h, now + 48h};
}

/// A server's door, and who came to it.
struct open_door {
  explicit open_door(const identity& server) {
    auto opened = door::open(loopback, 0, server, greet, log.callback());
    REQUIRE(opened);
    door = std::move(*opened);
  }

  result<std::string> knock(const identity& who, std::chrono::milliseconds limit = 20s) const {
    return nodes::knock(loopback, door->port(), who, std::chrono::steady_clock::now() + limit);
  }

  /// A TCP connection to it, and no more.
  tcp::socket connect(asio::io_context& loop) const {
    tcp::socket socket{loop};
    socket.connect({asio::ip::make_address(loopback), door->port()});
    return socket;
  }

  visit_log log;
  std::unique_ptr<nodes::door> door; // ends before its log
};

/// A server of the test's own: serves one connection, on a thread.
class stranger {
public:
  explicit stranger(std::function<void(tcp::socket)> serve)
      : acceptor_(loop_, {asio::ip::make_address(loopback), 0}), thread_([this, serve = std::move(serve)] {
          boost::system::error_code ended;
          auto socket = acceptor_.accept(ended);
          if (!ended)
            serve(std::move(socket));
        }) {}
  stranger(const stranger&) = delete;
  stranger& operator=(const stranger&) = delete;
  ~stranger() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR); // ends an accept for which nobody came
    thread_.join();
  }

  /// The error of who knocks here.
  error knock(const identity& who, std::chrono::milliseconds limit = 20s) const {
    const auto heard = nodes::knock(loopback, port(), who, std::chrono::steady_clock::now() + limit);
    REQUIRE_FALSE(heard);
    return heard.error();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string place() const { return nodes::place(loopback, port()); }

private:
  asio::io_context loop_;
  tcp::acceptor acceptor_;
  std::thread thread_;
};

template <class Stream>
void read_to_end(Stream& stream) {
  boost::system::error_code ended;
  std::array<char, 4096> ignored{};
  while (!ended)
    stream.read_some(asio::buffer(ignored), ended);
}

/// Speaks TLS as `who` and then says `text`. `change` may change how.
inline auto speak_tls(const identity& who, std::string text, void (*change)(SSL_CTX*) = nullptr) {
  return [who, text = std::move(text), change](tcp::socket socket) {
    auto made = tls_context(who, role::server);
    if (!made)
      return;
    if (change)
      change(made->get());
    asio::ssl::context tls{made->release()};
    asio::ssl::stream<tcp::socket> stream{std::move(socket), tls};
    boost::system::error_code ended;
    stream.handshake(asio::ssl::stream_base::server, ended);
    if (!ended)
      asio::write(stream, asio::buffer(text), ended);
    stream.next_layer().shutdown(tcp::socket::shutdown_send, ended);
    read_to_end(stream.next_layer());
  };
}

} // namespace vp::nodes::test
