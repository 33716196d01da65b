#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace vp::nodes {

/// Keeps one process of this program running beside this one, the parent of its workers, and starts it again when it
/// ends.
class local_workers {
public:
  struct config {
    std::vector<std::string> arguments;
    /// NAME=VALUE. It gets nothing of this process's own: a video that takes a worker over would read that.
    std::vector<std::string> environment;
    /// What it reads first from its standard input, and nobody else sees. The input stays open as long as this process
    /// lives.
    std::string secret;
    /// The wait before it is started again; doubled each time, and reset by one that ran for `stable`.
    std::chrono::milliseconds first_wait{200};
    std::chrono::milliseconds longest_wait{30'000};
    std::chrono::milliseconds stable{60'000};
    /// How long it may take to end when it is asked to, before it is killed.
    std::chrono::milliseconds end_limit{5'000};
  };

  explicit local_workers(config what);
  local_workers(const local_workers&) = delete;
  local_workers& operator=(const local_workers&) = delete;
  ~local_workers(); ///< ends it

private:
  void keep(const std::stop_token& stop);
  bool start();
  void send(int signal);

  config config_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  pid_t process_ = 0; ///< 0: none; nobody else's as long as it is not waited for
  int input_ = -1;    ///< the writing end of its standard input
  std::jthread thread_;
};

} // namespace vp::nodes
