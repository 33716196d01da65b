#pragma once

#include <catch2/catch.hpp>

#include <array>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>

namespace vp::nodes {

/// A pipe: who holds its writing end is alive.
class line_pipe {
public:
  line_pipe() { REQUIRE(::pipe(fds_.data()) == 0); }
  ~line_pipe() {
    close_reader();
    close_writer();
  }
  line_pipe(const line_pipe&) = delete;
  line_pipe& operator=(const line_pipe&) = delete;

  int reader() const { return fds_[0]; }
  int writer() const { return fds_[1]; }
  void close_reader() { close(fds_[0]); }
  void close_writer() { close(fds_[1]); }

  void write(const std::string& line) const {
    const auto text = line + "\n";
    if (::write(fds_[1], text.data(), text.size()) < 0)
      ::_exit(98);
  }

  /// The next line; empty at the end of the pipe.
  std::string read() const {
    std::string line;
    for (char c = 0;;) {
      pollfd polled{fds_[0], POLLIN, 0};
      REQUIRE(::poll(&polled, 1, 20'000) == 1);
      if (::read(fds_[0], &c, 1) != 1 || c == '\n')
        return line;
      line += c;
    }
  }

private:
  static void close(int& fd) {
    if (fd >= 0)
      ::close(std::exchange(fd, -1));
  }
  std::array<int, 2> fds_{};
};

} // namespace vp::nodes
