/// What `vidpipeline` does at a failpoint in the tests' build of it.
///
/// VIDPIPELINE_FAILPOINT=before-mark:3 kills the process when it comes to `before-mark` for the third time.
/// VIDPIPELINE_TEST_MISDEEDS=encode/HASH/1=fork,... has it do what it must not when it comes there.

#include "actors/failpoint.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace vp {

namespace {

void kill_if_ordered(std::string_view name) {
  static const auto* const order = std::getenv("VIDPIPELINE_FAILPOINT");
  static std::atomic<int> left = [] {
    const auto* colon =
        order ? std::char_traits<char>::find(order, std::char_traits<char>::length(order), ':') : nullptr;
    return colon ? std::atoi(colon + 1) : 1;
  }();
  if (!order)
    return;
  const std::string_view text{order};
  if (text.substr(0, text.find(':')) == name && --left == 0)
    std::raise(SIGKILL);
}

/// Where it is let do it, it goes on as if nothing had been; where it is refused, it gives up.
void misbehave(std::string_view deed) {
  bool succeeded = false;
  if (deed == "crash") {
    std::raise(SIGSEGV);
  } else if (deed == "open") {
    succeeded = ::open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0;
  } else if (deed == "connect") {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(80);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    succeeded = made >= 0 && ::connect(made, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
  } else if (deed == "fork") {
    const auto child = ::fork();
    if (child == 0)
      _exit(0);
    succeeded = child > 0;
  } else if (deed == "memory") {
    constexpr std::size_t four_gib = std::size_t{4} << 30U;
    auto* volatile taken = ::operator new(four_gib, std::nothrow);
    succeeded = taken != nullptr;
    ::operator delete(taken);
  } else if (deed == "spin") {
    for (volatile bool spins = true; spins;) {
    }
  }
  if (!succeeded)
    std::abort();
}

void misbehave_if_ordered(std::string_view name) {
  static const auto* const orders = std::getenv("VIDPIPELINE_TEST_MISDEEDS");
  std::string_view left{orders ? orders : ""};
  while (!left.empty()) {
    const auto one = left.substr(0, left.find(','));
    left.remove_prefix(std::min(one.size() + 1, left.size()));
    if (const auto equals = one.find('='); one.substr(0, equals) == name)
      misbehave(one.substr(equals + 1));
  }
}

} // namespace

void failpoint(const char* name) noexcept {
  kill_if_ordered(name);
  misbehave_if_ordered(name);
}

} // namespace vp
