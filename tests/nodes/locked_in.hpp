#pragma once

#include "nodes/sandbox.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <functional>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// AddressSanitizer and this sandbox exclude each other.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define VP_LOCKS_IN
#endif

namespace vp::nodes {

inline constexpr std::uint64_t memory = 512 << 20;
inline constexpr int never_entered = 99;
inline constexpr int passed = 7;

/// How a process ends that locks itself in and then runs `deed`, `passed` when it survives it with true.
inline int locked_in(const std::function<bool()>& deed) {
  forked child{[&] {
    if (!enter_sandbox({.memory = memory}))
      return never_entered;
    return deed() ? passed : 1;
  }};
  return child.wait();
}

inline bool fails_with(int expected, long returned) {
  return returned == -1 && errno == expected;
}

inline std::array<int, 2> pair_of_sockets() {
  std::array<int, 2> fds{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) == 0);
  return fds;
}

inline void close(const std::array<int, 2>& fds) {
  ::close(fds[0]);
  ::close(fds[1]);
}

/// Both ends of a connection over loopback.
inline std::array<int, 2> tcp_connection() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(client, reinterpret_cast<sockaddr*>(&address), size) == 0);
  const int server = ::accept(listener, nullptr, nullptr);
  REQUIRE(server >= 0);
  ::close(listener);
  return {client, server};
}

} // namespace vp::nodes
