#include "nodes/sandbox.hpp"
#include "nodes/supervisor.hpp"
#include "tests/nodes/line_pipe.hpp"
#include "tests/nodes/process.hpp"

#include <catch2/catch.hpp>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

using namespace std::chrono_literals;
using namespace vp::nodes;

namespace {

using std::chrono::steady_clock;

/// What a child saw, by way of a line.
struct report {
  std::uint32_t slot = 0;
  pid_t pid = 0;
  std::string run;
  std::optional<child_end> before;
};

std::string to_line(const child_place& place) {
  std::ostringstream line;
  line << place.slot << ' ' << ::getpid() << ' ' << place.run;
  if (place.before)
    line << ' ' << place.before->run << ' ' << place.before->signal << ' ' << place.before->status;
  return line.str();
}

report to_report(const std::string& text) {
  INFO("the line '" << text << "'");
  std::istringstream line{text};
  report seen;
  REQUIRE((line >> seen.slot >> seen.pid >> seen.run));
  child_end before;
  if (line >> before.run >> before.signal >> before.status)
    seen.before = before;
  return seen;
}

using child_function = std::function<int(const child_place&)>;

/// A supervisor in a process of its own, whose children first tell their place.
class supervised {
public:
  supervised(
      const supervisor_config& config, const child_function& child, const std::function<void()>& prepare = [] {})
      : process_{[&] {
          spdlog::set_level(spdlog::level::off);
          lines_.close_reader();
          prepare();
          return supervise(config, [&](const child_place& place) {
            lines_.write(to_line(place));
            return child(place);
          });
        }} {
    lines_.close_writer();
  }
  /// In good order: whom a supervisor that is killed leaves behind nobody waits for.
  ~supervised() {
    if (pid() > 0) {
      ::kill(pid(), SIGTERM);
      wait();
    }
  }
  supervised(const supervised&) = delete;
  supervised& operator=(const supervised&) = delete;

  report next() const { return to_report(lines_.read()); }
  std::string line() const { return lines_.read(); }
  pid_t pid() const { return process_.pid(); }
  int wait(rusage* used = nullptr) { return process_.wait(used); }

private:
  line_pipe lines_;
  forked process_;
};

int stay(const child_place&) {
  for (;;)
    ::pause();
}

/// Runs `first` first, then stays.
child_function first_then_stay(const std::function<int()>& first) {
  return [=](const child_place& place) { return place.before ? stay(place) : first(); };
}

constexpr auto long_wait = std::chrono::milliseconds{1h};

} // namespace

// -- what a child is told -------------------------------------------------------------------------

TEST_CASE("each slot has a child, and each run a name of its own", "[supervisor]") {
  supervised workers{{.slots = 3}, stay};
  std::set<std::uint32_t> slots;
  std::set<std::string> names;
  for (int i = 0; i < 3; ++i) {
    const auto seen = workers.next();
    slots.insert(seen.slot);
    names.insert(seen.run);
    CHECK(seen.run.size() == 32);
    CHECK(!seen.before);
  }
  CHECK(slots == std::set<std::uint32_t>{0, 1, 2});
  CHECK(names.size() == 3);
}

TEST_CASE("a child is told how its predecessor ended", "[supervisor]") {
  const std::map<int, const char*> own{
      {SIGSEGV, "its process crashed (SIGSEGV)"},     {SIGABRT, "its process crashed (SIGABRT)"},
      {SIGBUS, "its process crashed (SIGBUS)"},       {SIGILL, "its process crashed (SIGILL)"},
      {SIGFPE, "its process crashed (SIGFPE)"},       {SIGSYS, "it did something that is forbidden (SIGSYS)"},
      {SIGXCPU, "it used more CPU time than it may"},
  };
  const std::map<int, const char*> outer{
      {SIGKILL, "it was killed from outside (SIGKILL)"},
      {SIGTERM, "it was ended from outside (SIGTERM)"},
  };
  for (const bool counts : {true, false}) {
    for (const auto& [signal, words] : counts ? own : outer) {
      supervised workers{{}, first_then_stay([number = signal] { return ::raise(number); })};
      const auto first = workers.next();
      const auto second = workers.next();
      REQUIRE(second.before);
      CHECK(*second.before == child_end{first.run, signal, 0});
      CHECK(second.before->counts() == counts);
      CHECK(second.before->words() == words);
      CHECK(second.slot == first.slot);
      CHECK(second.run != first.run);
    }
  }
}

TEST_CASE("an exit counts only when it is the memory's end", "[supervisor]") {
  const std::map<int, std::pair<bool, const char*>> exits{
      {0, {false, "it came to its end"}},
      {1, {false, "it ended with status 1"}},
      {memory_status, {true, "it used more memory than it may"}},
  };
  for (const auto& [status, expected] : exits) {
    supervised workers{{}, first_then_stay([number = status] { return number; })};
    const auto first = workers.next();
    const auto second = workers.next();
    REQUIRE(second.before);
    CHECK(*second.before == child_end{first.run, 0, status});
    CHECK(second.before->counts() == expected.first);
    CHECK(second.before->words() == expected.second);
  }
}

TEST_CASE("what a child without a link could not tell is left to the next one", "[supervisor]") {
  // The first one crashes, the second one has no link.
  supervised workers{{.first_wait = 1ms}, [](const child_place& place) {
                       if (!place.before)
                         std::abort();
                       return unlinked_status;
                     }};
  const auto first = workers.next();
  for (int i = 0; i < 3; ++i)
    CHECK(workers.next().before == child_end{first.run, SIGABRT, 0});
}

TEST_CASE("a child that throws has crashed", "[supervisor]") {
  supervised workers{{}, first_then_stay([]() -> int { throw 1; })};
  workers.next();
  const auto second = workers.next();
  REQUIRE(second.before);
  CHECK(second.before->signal == SIGABRT);
}

TEST_CASE("a child has the caller's signal mask and no handlers", "[supervisor]") {
  supervised workers{{}, [](const child_place& place) {
                       if (place.before)
                         return stay(place);
                       sigset_t mask;
                       ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
                       for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) {
                         struct sigaction action {};
                         ::sigaction(signal, nullptr, &action);
                         if (sigismember(&mask, signal) != 0 || action.sa_handler != SIG_DFL)
                           return 1;
                       }
                       return 7;
                     }};
  const auto first = workers.next();
  CHECK(workers.next().before == child_end{first.run, 0, 7});
}

// -- when -----------------------------------------------------------------------------------------

TEST_CASE("a child is followed at once, the next one after a wait", "[supervisor]") {
  supervised workers{{.first_wait = 60ms, .longest_wait = long_wait, .stable = long_wait},
                     [](const child_place&) { return 0; }};
  workers.next();
  const auto begin = steady_clock::now();
  workers.next();
  workers.next();
  const auto third = steady_clock::now();
  CHECK(third - begin >= 60ms);
  workers.next();
  CHECK(steady_clock::now() - begin >= 180ms);
  workers.next();
  CHECK(steady_clock::now() - begin >= 420ms);
}

TEST_CASE("the first successor does not wait", "[supervisor]") {
  supervised workers{{.first_wait = long_wait, .longest_wait = long_wait, .stable = long_wait},
                     [](const child_place&) { return 0; }};
  workers.next();
  CHECK(workers.next().before);
}

TEST_CASE("the wait grows only so far", "[supervisor]") {
  supervised workers{{.first_wait = 1ms, .longest_wait = 4ms, .stable = long_wait},
                     [](const child_place&) { return 0; }};
  // Doubled each time it would take longer than a year.
  for (int i = 0; i < 40; ++i)
    workers.next();
}

TEST_CASE("who has run for long enough is followed at once again", "[supervisor]") {
  supervised workers{{.first_wait = long_wait, .longest_wait = long_wait, .stable = 0ms},
                     [](const child_place&) { return 0; }};
  for (int i = 0; i < 5; ++i)
    workers.next();
}

TEST_CASE("one slot's wait is not another's", "[supervisor]") {
  supervised workers{{.slots = 2, .first_wait = long_wait, .longest_wait = long_wait, .stable = long_wait},
                     [](const child_place& place) { return place.slot == 0 ? 0 : stay(place); }};
  std::map<std::uint32_t, int> runs;
  for (int i = 0; i < 3; ++i)
    ++runs[workers.next().slot];
  CHECK(runs == std::map<std::uint32_t, int>{{0, 2}, {1, 1}});
}

// -- the end --------------------------------------------------------------------------------------

TEST_CASE("SIGTERM and SIGINT end the children and then the supervisor", "[supervisor]") {
  const int signal = GENERATE(SIGTERM, SIGINT);
  supervised workers{{.slots = 2}, stay};
  workers.next();
  workers.next();
  REQUIRE(::kill(workers.pid(), signal) == 0);
  CHECK(workers.line().empty());
  CHECK(status_of(workers.wait()) == 0);
}

TEST_CASE("a child is asked by SIGTERM, and waited for", "[supervisor]") {
  line_pipe last_words;
  supervised workers{{}, [&](const child_place&) {
                       sigset_t term;
                       sigemptyset(&term);
                       sigaddset(&term, SIGTERM);
                       ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
                       last_words.write("ready");
                       int signal = 0;
                       sigwait(&term, &signal);
                       last_words.write("asked");
                       return 0;
                     }};
  CHECK(last_words.read() == "ready");
  REQUIRE(::kill(workers.pid(), SIGINT) == 0);
  CHECK(status_of(workers.wait()) == 0);
  CHECK(last_words.read() == "asked");
}

TEST_CASE("a child that does not end in time is killed", "[supervisor]") {
  line_pipe ready;
  supervised workers{{.end_limit = 50ms}, [&](const child_place& place) {
                       std::signal(SIGTERM, SIG_IGN);
                       ready.write("ready");
                       return stay(place);
                     }};
  CHECK(ready.read() == "ready");
  REQUIRE(::kill(workers.pid(), SIGTERM) == 0);
  CHECK(status_of(workers.wait()) == 0);
  workers.next();
  CHECK(workers.line().empty());
}

TEST_CASE("a supervisor that waits to start a child ends at once", "[supervisor]") {
  supervised workers{{.first_wait = long_wait, .longest_wait = long_wait, .stable = long_wait, .end_limit = long_wait},
                     [](const child_place&) { return 0; }};
  workers.next();
  workers.next();
  REQUIRE(::kill(workers.pid(), SIGTERM) == 0);
  CHECK(status_of(workers.wait()) == 0);
}

TEST_CASE("the end of the control pipe kills the children", "[supervisor]") {
  line_pipe control;
  supervised workers{{.slots = 2, .control_fd = control.reader(), .end_limit = long_wait},
                     [](const child_place& place) {
                       std::signal(SIGTERM, SIG_IGN);
                       return stay(place);
                     },
                     [&] { control.close_writer(); }};
  control.write("this is no end");
  workers.next();
  workers.next();
  SECTION("while they run") {}
  SECTION("while they are asked to end") {
    REQUIRE(::kill(workers.pid(), SIGTERM) == 0);
  }
  control.close_writer();
  CHECK(workers.line().empty());
  CHECK(status_of(workers.wait()) == 0);
}

TEST_CASE("a child does not have the control pipe", "[supervisor]") {
  line_pipe control;
  supervised workers{{.control_fd = control.reader()},
                     first_then_stay([fd = control.reader()] { return ::fcntl(fd, F_GETFD) == -1 ? 7 : 1; }),
                     [&] { control.close_writer(); }};
  const auto first = workers.next();
  CHECK(workers.next().before == child_end{first.run, 0, 7});
}

TEST_CASE("a supervisor uses no CPU time while it waits", "[supervisor]") {
  line_pipe control;
  supervised workers{{.control_fd = control.reader()},
                     first_then_stay([] {
                       ::usleep(500'000);
                       return 0;
                     }),
                     [&] { control.close_writer(); }};
  control.write("something to wake up for");
  workers.next();
  workers.next();
  REQUIRE(::kill(workers.pid(), SIGTERM) == 0);
  rusage used{};
  workers.wait(&used);
  CHECK(used.ru_utime.tv_sec + used.ru_stime.tv_sec == 0);
  CHECK(used.ru_utime.tv_usec + used.ru_stime.tv_usec < 250'000);
}

TEST_CASE("a child that was refused ends all", "[supervisor]") {
  supervised workers{{.slots = 3},
                     [](const child_place& place) { return place.slot == 1 ? refused_status : stay(place); }};
  CHECK(status_of(workers.wait()) == refused_status);
  while (!workers.line().empty()) {
  }
}

#ifdef __linux__
TEST_CASE("children do not outlive a supervisor that is killed", "[supervisor]") {
  // They are ours then, to wait for.
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  supervised workers{{.slots = 2}, stay};
  const std::array children{workers.next().pid, workers.next().pid};
  REQUIRE(::kill(workers.pid(), SIGKILL) == 0);
  CHECK(signal_of(workers.wait()) == SIGKILL);
  for (const auto child : children) {
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(signal_of(status) == SIGKILL);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}
#endif
