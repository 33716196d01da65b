#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace vp::http;

namespace {

/// Bytes of memory that this process has in use.
std::size_t resident() {
  std::ifstream status{"/proc/self/statm"};
  std::size_t all = 0;
  std::size_t pages = 0;
  status >> all >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Connections that say nothing, held open by another process, for files are counted by process.
class idle_connections {
public:
  /// Forks, so before this process has threads. They are opened when `open` is called.
  idle_connections() {
    REQUIRE(::pipe(orders_) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0)
      hold();
    ::close(orders_[0]);
  }
  ~idle_connections() {
    ::close(orders_[1]);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  idle_connections(const idle_connections&) = delete;
  idle_connections& operator=(const idle_connections&) = delete;

  void open(std::uint16_t port, std::uint32_t count) const {
    const std::uint32_t order[2] = {port, count};
    REQUIRE(::write(orders_[1], order, sizeof(order)) == sizeof(order));
  }

private:
  [[noreturn]] void hold() const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    std::uint32_t order[2] = {};
    if (::read(orders_[0], order, sizeof(order)) != sizeof(order))
      ::_exit(1);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(order[0]));
    for (std::uint32_t i = 0; i < order[1]; ++i) {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      if (socket < 0 || ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0)
        ::_exit(2);
    }
    for (;;)
      ::pause();
  }

  int orders_[2] = {};
  pid_t child_ = -1;
};

} // namespace

TEST_CASE("10,000 idle connections cost little and hold nobody up") {
  constexpr std::uint32_t wanted = 10'000;
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max < wanted + 500) {
    WARN("this system allows only " << limit.rlim_max << " open files");
    return;
  }
  const idle_connections idle;
  live_server server;
  {
    client warm_up{server.port()};
    REQUIRE(warm_up.get("/healthz").result() == status::ok);
  }
  REQUIRE(server.wait_for_connections(0));
  const auto before = resident();
  idle.open(server.port(), wanted);
  REQUIRE(server.wait_for_connections(wanted));
  const auto each = (resident() - std::min(before, resident())) / wanted;
  WARN("an idle connection costs " << each << " bytes");
  CHECK(each < 10 * 1024);

  client connection{server.port()};
  std::vector<std::chrono::duration<double, std::milli>> times;
  for (int i = 0; i < 50; ++i) {
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(connection.get("/healthz").result() == status::ok);
    times.emplace_back(std::chrono::steady_clock::now() - start);
  }
  std::sort(times.begin(), times.end());
  WARN("health is answered in " << times[25].count() << " ms (median), " << times.back().count() << " ms (worst)");
  CHECK(times.back().count() < 100);
}
