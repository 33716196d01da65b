#include "nodes/local_workers.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#ifdef __APPLE__
#include <climits>

#include <cstdint>
#include <mach-o/dyld.h>
#endif

namespace vp::nodes {

namespace {

/// What posix_spawn is told, released at the end.
struct spawn_orders {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};

  explicit spawn_orders(int input) {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawnattr_init(&attributes);
    // Ctrl-C is this process's to hear of; the signals that are blocked here are not there.
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    // Nothing that is open here is its business: not the database, not a connection.
#ifdef __linux__
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
#else
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
    posix_spawn_file_actions_addinherit_np(&files, STDOUT_FILENO);
    posix_spawn_file_actions_addinherit_np(&files, STDERR_FILENO);
#endif
    posix_spawnattr_setflags(&attributes, flags);
  }
  spawn_orders(const spawn_orders&) = delete;
  spawn_orders& operator=(const spawn_orders&) = delete;
  ~spawn_orders() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

/// The program that this process runs, also when another version stands in its place by now.
std::string own_program() {
#ifdef __APPLE__
  std::array<char, PATH_MAX> path{};
  std::uint32_t size = path.size();
  return _NSGetExecutablePath(path.data(), &size) == 0 ? path.data() : "";
#else
  return "/proc/self/exe";
#endif
}

/// As the system's calls take them, with a null at the end.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (auto& word : words)
    all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

} // namespace

local_workers::local_workers(config what)
    : config_(std::move(what)), thread_([this](const std::stop_token& stop) { keep(stop); }) {}

local_workers::~local_workers() {
  thread_.request_stop();
  std::unique_lock lock{mutex_};
  send(SIGTERM);
  if (!changed_.wait_for(lock, config_.end_limit, [&] { return process_ == 0; }))
    send(SIGKILL);
  lock.unlock();
  thread_.join();
}

void local_workers::keep(const std::stop_token& stop) {
  auto wait = config_.first_wait;
  while (!stop.stop_requested()) {
    const auto began = std::chrono::steady_clock::now();
    {
      const std::lock_guard lock{mutex_};
      if (stop.stop_requested())
        return;
      if (!start())
        spdlog::error("workers: can't start: {}", std::strerror(errno));
    }
    if (process_ != 0) {
      // Left unreaped until nobody can send it a signal any more.
      siginfo_t ended{};
      while (::waitid(P_PID, static_cast<id_t>(process_), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
      }
      const std::lock_guard lock{mutex_};
      ::waitpid(std::exchange(process_, 0), nullptr, 0);
      ::close(std::exchange(input_, -1));
      changed_.notify_all();
      if (stop.stop_requested())
        return;
      spdlog::warn("workers: their process has ended ({} {}); another one starts in {} ms",
                   ended.si_code == CLD_EXITED ? "status" : "signal", ended.si_status, wait.count());
    }
    if (std::chrono::steady_clock::now() - began >= config_.stable)
      wait = config_.first_wait;
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, wait, [] { return false; });
    wait = std::min(2 * wait, config_.longest_wait);
  }
}

bool local_workers::start() {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0)
    return false;
  ::fcntl(pipe[0], F_SETFD, FD_CLOEXEC);
  ::fcntl(pipe[1], F_SETFD, FD_CLOEXEC);
  const spawn_orders orders{pipe[0]};
  std::string name = "vidpipeline";
  auto words = pointers_to(config_.arguments);
  words.insert(words.begin(), name.data());
  const auto problem = ::posix_spawn(&process_, own_program().c_str(), &orders.files, &orders.attributes, words.data(),
                                     pointers_to(config_.environment).data());
  ::close(pipe[0]);
  if (problem != 0) {
    process_ = 0;
    ::close(pipe[1]);
    errno = problem;
    return false;
  }
  input_ = pipe[1];
  // Fits into the pipe, whether it is read or not.
  if (::write(input_, config_.secret.data(), config_.secret.size()) != static_cast<ssize_t>(config_.secret.size()))
    send(SIGKILL);
  return true;
}

void local_workers::send(int signal) {
  if (process_ != 0)
    ::kill(process_, signal);
}

} // namespace vp::nodes
