#include "tests/nodes/locked_in.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using namespace vp::nodes;

#ifdef VP_LOCKS_IN

namespace {

bool spin() {
  for (std::atomic<unsigned> i = 0;;)
    ++i;
}

} // namespace

// -- what runs out --------------------------------------------------------------------------------

TEST_CASE("memory ends at its limit", "[sandbox]") {
  constexpr std::size_t much = std::size_t{4} << 30;
  SECTION("malloc says so") {
    CHECK(status_of(locked_in([] {
            const std::unique_ptr<void, void (*)(void*)> little{std::malloc(memory / 2), &std::free};
            const std::unique_ptr<void, void (*)(void*)> block{std::malloc(much), &std::free};
            return little && !block;
          }))
          == passed);
  }
  SECTION("new ends the process, with a status of its own") {
    CHECK(status_of(locked_in([] {
            std::vector<std::unique_ptr<char[]>> blocks;
            for (std::size_t taken = 0; taken < much; taken += 1 << 20)
              blocks.push_back(std::make_unique<char[]>(1 << 20));
            return true;
          }))
          == memory_status);
  }
}

TEST_CASE("a process that spins past its CPU time ends with SIGXCPU", "[sandbox]") {
  SECTION("in the sandbox") {
    CHECK(signal_of(locked_in([] {
            limit_cpu(1s);
            return spin();
          }))
          == SIGXCPU);
  }
  SECTION("on another thread") {
    CHECK(signal_of(locked_in([] {
            limit_cpu(1s);
            std::thread{&spin}.join();
            return true;
          }))
          == SIGXCPU);
  }
  SECTION("from now on, not from the start") {
    CHECK(status_of(locked_in([] {
            const auto used = [] { return std::chrono::seconds{1} * std::clock() / CLOCKS_PER_SEC; };
            limit_cpu(1s);
            for (int i = 0; i < 4; ++i) {
              const auto until = std::clock() + CLOCKS_PER_SEC / 2;
              while (std::clock() < until) {
              }
              limit_cpu(1s);
            }
            rlimit limit{};
            ::getrlimit(RLIMIT_CPU, &limit);
            return used() >= 2s && limit.rlim_max == RLIM_INFINITY;
          }))
          == passed);
  }
}

// -- what works on --------------------------------------------------------------------------------

TEST_CASE("threads start, get memory, sleep and end in the sandbox", "[sandbox]") {
  CHECK(status_of(locked_in([] {
          std::atomic_int sum = 0;
          for (int round = 0; round < 20; ++round) {
            std::vector<std::thread> threads;
            for (int i = 0; i < 8; ++i) {
              threads.emplace_back([&] {
                volatile char stack[256 << 10];
                stack[0] = 1;
                const std::vector<int> heap(100'000, 1);
                ::pthread_setname_np(::pthread_self(), "encoder");
                std::this_thread::sleep_for(1ms);
                sum += heap.back() * stack[0];
              });
            }
            for (auto& x : threads)
              x.join();
          }
          return sum == 160;
        }))
        == passed);
}

TEST_CASE("sockets, pipes and eventfds that are open work on in the sandbox", "[sandbox]") {
  const auto tcp = tcp_connection();
  const auto unix_domain = pair_of_sockets();
  CHECK(status_of(locked_in([&] {
          std::array<char, 2> buffer{};
          return ::send(tcp[0], "a", 1, MSG_NOSIGNAL) == 1 && ::recv(tcp[1], buffer.data(), 1, 0) == 1
                 && ::write(tcp[1], "b", 1) == 1 && ::read(tcp[0], buffer.data() + 1, 1) == 1 && buffer[0] == 'a'
                 && buffer[1] == 'b' && ::send(unix_domain[0], "c", 1, 0) == 1
                 && ::recv(unix_domain[1], buffer.data(), 1, 0) == 1 && ::shutdown(tcp[0], SHUT_RDWR) == 0
                 && ::fcntl(tcp[0], F_SETFL, O_NONBLOCK) == 0 && ::close(tcp[0]) == 0;
        }))
        == passed);
  close(tcp);
  close(unix_domain);

  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const int event = ::eventfd(0, EFD_NONBLOCK);
  const int epoll = ::epoll_create1(0);
  CHECK(status_of(locked_in([&] {
          epoll_event wanted{};
          wanted.events = EPOLLIN;
          epoll_event seen{};
          pollfd polled{pipe[0], POLLIN, 0};
          return ::epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0 && ::epoll_wait(epoll, &seen, 1, 0) == 0
                 && ::eventfd_write(event, 1) == 0 && ::epoll_wait(epoll, &seen, 1, -1) == 1
                 && ::write(pipe[1], "x", 1) == 1 && ::poll(&polled, 1, -1) == 1;
        }))
        == passed);
  close(pipe);
  close({event, epoll});
}

TEST_CASE("crashes are what they are in the sandbox", "[sandbox]") {
  CHECK(signal_of(locked_in([]() -> bool { std::abort(); })) == SIGABRT);
  CHECK(signal_of(locked_in([]() -> bool { throw std::runtime_error("nobody catches this"); })) == SIGABRT);
  CHECK(signal_of(locked_in([] { return ::raise(SIGILL) == 0; })) == SIGILL);
  CHECK(signal_of(locked_in([] { return ::kill(::getpid(), SIGFPE) == 0; })) == SIGFPE);
  CHECK(signal_of(locked_in([] {
          volatile char* volatile nowhere = nullptr;
          *nowhere = 1;
          return true;
        }))
        == SIGSEGV);
}

TEST_CASE("the log goes on in the sandbox, with local times", "[sandbox]") {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  forked child{[&] {
    ::dup2(pipe[1], STDERR_FILENO);
    ::setenv("TZ", "XYZ-3", 1);
    if (!enter_sandbox({.memory = memory}))
      return never_entered;
    auto logger = spdlog::stderr_logger_mt("sandbox");
    logger->set_pattern("%z %v");
    logger->info("from inside");
    const auto now = std::time(nullptr);
    std::tm local{};
    return ::localtime_r(&now, &local) && local.tm_gmtoff == 3 * 3600 ? passed : 1;
  }};
  CHECK(status_of(child.wait()) == passed);
  ::close(pipe[1]);
  std::array<char, 256> buffer{};
  const auto count = ::read(pipe[0], buffer.data(), buffer.size());
  CHECK(std::string(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0) == "+03:00 from inside\n");
  ::close(pipe[0]);
}

TEST_CASE("clocks, random numbers and the own priority work on in the sandbox", "[sandbox]") {
  CHECK(status_of(locked_in([] {
          const auto before = std::chrono::steady_clock::now();
          std::this_thread::sleep_for(5ms);
          std::uint64_t number = 0;
          timespec cpu{};
          return std::chrono::steady_clock::now() - before >= 5ms
                 && std::chrono::system_clock::now().time_since_epoch() > 0s
                 && ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0 && ::getentropy(&number, sizeof(number)) == 0
                 && ::setpriority(PRIO_PROCESS, 0, 10) == 0 && ::getpriority(PRIO_PROCESS, 0) == 10
                 && std::thread::hardware_concurrency() > 0;
        }))
        == passed);
}

TEST_CASE("the files that are open stay so, and few may join them", "[sandbox]") {
  constexpr int high = 200;
  const auto sockets = pair_of_sockets();
  REQUIRE(::dup2(sockets[0], high) == high);
  CHECK(status_of(locked_in([&] {
          rlimit limit{};
          ::getrlimit(RLIMIT_NOFILE, &limit);
          return limit.rlim_cur == limit.rlim_max && limit.rlim_max > high && limit.rlim_max < 1024
                 && ::write(high, "x", 1) == 1;
        }))
        == passed);
  close(sockets);
  ::close(high);
}

#else

TEST_CASE("without what it needs the sandbox limits what it can", "[sandbox]") {
  forked child{[] {
    if (!enter_sandbox({.memory = 1 << 20}))
      return 1;
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    return limit.rlim_max == 0 && std::make_unique<char[]>(8 << 20) ? 7 : 2;
  }};
  CHECK(status_of(child.wait()) == 7);
}

#endif
