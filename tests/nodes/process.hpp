#pragma once

#include <csignal>
#include <cstdlib>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace vp::nodes {

/// A fork that runs `work` and exits with what it returns. It ends with this object at the latest, and by itself after
/// a minute.
class forked {
public:
  template <class Work>
  explicit forked(Work work) {
    pid_ = ::fork();
    if (pid_ == 0)
      be_child(work);
  }
  ~forked() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }
  forked(const forked&) = delete;
  forked& operator=(const forked&) = delete;

  pid_t pid() const { return pid_; }

  /// Its end, as waitpid has it, and what it used.
  int wait(rusage* used = nullptr) {
    int status = -1;
    ::wait4(std::exchange(pid_, -1), &status, 0, used);
    return status;
  }

private:
  /// An exception must not get back into Catch2, nor a crash.
  template <class Work>
  [[noreturn]] static void be_child(Work& work) noexcept {
    for (int signal = 1; signal < NSIG; ++signal)
      std::signal(signal, SIG_DFL);
    ::alarm(60);
    ::_exit(work());
  }

  pid_t pid_ = -1;
};

/// The signal that ended a process, or 0.
inline int signal_of(int status) {
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/// What a process exited with, or -1.
inline int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace vp::nodes
