#include "nodes/supervisor.hpp"

#include "nodes/random_name.hpp"

#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/select.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace vp::nodes {

namespace {

using std::chrono::milliseconds;
using time_point = std::chrono::steady_clock::time_point;

// -- signals --------------------------------------------------------------------------------------

volatile std::sig_atomic_t asked_to_end = 0;

/// Has SIGTERM, SIGINT and SIGCHLD arrive only while `wait` waits, so that none is missed.
class caught_signals {
public:
  caught_signals() {
    asked_to_end = 0;
    sigset_t caught;
    sigemptyset(&caught);
    for (const auto signal : numbers)
      sigaddset(&caught, signal);
    ::pthread_sigmask(SIG_BLOCK, &caught, &before_);
    waiting_ = before_;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      sigdelset(&waiting_, numbers[i]);
      struct sigaction action {};
      action.sa_handler = [](int signal) {
        if (signal != SIGCHLD)
          asked_to_end = 1;
      };
      ::sigaction(numbers[i], &action, &actions_[i]);
    }
  }
  ~caught_signals() {
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); // first: what is pending is ours
    for (std::size_t i = 0; i < numbers.size(); ++i)
      ::sigaction(numbers[i], &actions_[i], nullptr);
  }
  caught_signals(const caught_signals&) = delete;
  caught_signals& operator=(const caught_signals&) = delete;

  /// Until a signal, `until`, or something on `fd`, which it returns.
  bool wait(std::optional<int> fd, std::optional<time_point> until) const {
    timespec timeout{};
    if (until) {
      const auto left = std::max(*until - std::chrono::steady_clock::now(), time_point::duration{0});
      timeout.tv_sec = static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(left).count());
      timeout.tv_nsec = static_cast<long>(std::chrono::nanoseconds{left % std::chrono::seconds{1}}.count());
    }
    fd_set watched;
    FD_ZERO(&watched);
    if (fd)
      FD_SET(*fd, &watched);
    return ::pselect(fd ? *fd + 1 : 0, &watched, nullptr, nullptr, until ? &timeout : nullptr, &waiting_) > 0;
  }

  /// For a child, as after an exec.
  void forget() const {
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action {};
      if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
        continue;
      action = {};
      action.sa_handler = SIG_DFL;
      ::sigaction(signal, &action, nullptr);
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

private:
  static constexpr std::array numbers{SIGTERM, SIGINT, SIGCHLD};
  std::array<struct sigaction, numbers.size()> actions_{};
  sigset_t before_{};
  sigset_t waiting_{};
};

// -- children -------------------------------------------------------------------------------------

/// False when `parent` is gone already.
bool die_with([[maybe_unused]] pid_t parent) {
#ifdef __linux__
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    return false;
#endif
  return ::getppid() == parent;
}

/// What is left of a process that was waited for.
child_end end_of(const std::string& run, int status) {
  if (WIFSIGNALED(status))
    return {run, WTERMSIG(status), 0};
  return {run, 0, WEXITSTATUS(status)};
}

struct place {
  child_place next;     ///< what the child is told that runs, or will
  pid_t pid = 0;        ///< 0 while none runs
  time_point since;     ///< it runs, or is to run, from then on
  milliseconds wait{0}; ///< before the next start
};

class supervisor {
public:
  supervisor(const supervisor_config& config, const std::function<int(const child_place&)>& child)
      : config_(config), child_(child), places_(config.slots) {
    for (std::uint32_t i = 0; i < config.slots; ++i)
      places_[i].next.slot = i;
  }

  int run() {
    for (;;) {
      start_due();
      const auto gone = wait(next_start());
      if (asked_to_end != 0 || gone) {
        spdlog::info("worker: {}", gone ? "its server is gone" : "asked to end");
        end_all(gone ? milliseconds{0} : config_.end_limit);
        return 0;
      }
      for (auto& x : places_) {
        const auto end = ended(x);
        if (end && end->signal == 0 && end->status == refused_status) {
          spdlog::error("worker: child {} ended: {}", x.next.slot, end->words());
          end_all(config_.end_limit);
          return refused_status;
        }
        if (end)
          follow(x, *end);
      }
    }
  }

private:
  void start_due() {
    for (auto& x : places_) {
      if (x.pid == 0 && x.since <= std::chrono::steady_clock::now())
        start(x);
    }
  }

  void start(place& x) {
    x.next.run = random_name();
    std::fflush(nullptr); // or the child has the same to write
    const auto parent = ::getpid();
    const auto pid = ::fork();
    if (pid == 0)
      be_child(x.next, parent);
    x.since = std::chrono::steady_clock::now();
    if (pid > 0) {
      x.pid = pid;
      return;
    }
    const auto problem = std::generic_category().message(errno);
    const auto again = plan(x, milliseconds{0});
    spdlog::error("worker: child {} cannot be started: {}; another try in {} ms", x.next.slot, problem, again.count());
  }

  /// An exception ends it as a crash, before it could unwind into the parent's part.
  [[noreturn]] void be_child(const child_place& place, pid_t parent) noexcept {
    if (!die_with(parent))
      ::_exit(0);
    if (config_.control_fd)
      ::close(*config_.control_fd);
    signals_.forget();
    ::_exit(child_(place));
  }

  /// How the child of `x` ended, once.
  std::optional<child_end> ended(place& x, int options = WNOHANG) {
    int status = 0;
    if (x.pid == 0 || ::waitpid(x.pid, &status, options) != x.pid)
      return std::nullopt;
    x.pid = 0;
    return end_of(x.next.run, status);
  }

  void follow(place& x, const child_end& end) {
    const auto wait = plan(x, std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - x.since));
    spdlog::log(end.signal == 0 && end.status == 0 ? spdlog::level::info : spdlog::level::warn,
                "worker: child {} ended: {}; another one starts in {} ms", x.next.slot, end.words(), wait.count());
    if (end.signal != 0 || end.status != unlinked_status)
      x.next.before = end;
  }

  /// When the next child starts, after one that has run for `ran`.
  milliseconds plan(place& x, milliseconds ran) {
    const auto wait = ran >= config_.stable ? milliseconds{0} : x.wait;
    x.wait = std::clamp(2 * wait, config_.first_wait, std::max(config_.first_wait, config_.longest_wait));
    x.since = std::chrono::steady_clock::now() + wait;
    return wait;
  }

  std::optional<time_point> next_start() const {
    std::optional<time_point> next;
    for (const auto& x : places_) {
      if (x.pid == 0)
        next = next ? std::min(*next, x.since) : x.since;
    }
    return next;
  }

  /// True when the other end of `control_fd` is closed. What comes from there is nothing to us.
  bool wait(std::optional<time_point> until) const {
    if (!signals_.wait(config_.control_fd, until))
      return false;
    std::array<char, 256> buffer{};
    const auto count = ::read(*config_.control_fd, buffer.data(), buffer.size());
    return count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
  }

  bool any() const {
    return std::any_of(places_.begin(), places_.end(), [](const auto& x) { return x.pid != 0; });
  }

  void signal_all(int signal) {
    for (const auto& x : places_) {
      if (x.pid != 0)
        ::kill(x.pid, signal);
    }
  }

  void end_all(milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    if (limit.count() > 0)
      signal_all(SIGTERM);
    while (std::chrono::steady_clock::now() < deadline) {
      for (auto& x : places_)
        ended(x);
      if (!any() || wait(deadline))
        break;
    }
    signal_all(SIGKILL);
    for (auto& x : places_)
      ended(x, 0);
  }

  const supervisor_config& config_;
  const std::function<int(const child_place&)>& child_;
  caught_signals signals_;
  std::vector<place> places_;
};

} // namespace

int supervise(const supervisor_config& config, const std::function<int(const child_place&)>& child) {
  if (sodium_init() < 0) {
    spdlog::critical("worker: there are no random numbers");
    return EXIT_FAILURE;
  }
  return supervisor{config, child}.run();
}

} // namespace vp::nodes
