#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vp::nodes {

/// Exit statuses by which a child speaks to the supervisor; see also memory_status. Any other one just says that it
/// ended.
inline constexpr int refused_status = 120;  ///< it makes no sense to start me again, nor any other
inline constexpr int unlinked_status = 122; ///< I had no link, so nobody knows yet how my predecessor ended

/// How a child ended.
struct child_end {
  std::string run; ///< the name of that child's run
  int signal = 0;  ///< the one that ended it, or 0
  int status = 0;  ///< what it exited with, when there was no signal

  /// Whether the process brought it about itself, so that it is to be held against the video that it worked on: a
  /// crash, a forbidden system call, its limit of CPU time or of memory. Not what came from outside, and not an exit.
  bool counts() const;

  /// How, for a user: "its process crashed (SIGSEGV)".
  std::string words() const;

  friend bool operator==(const child_end&, const child_end&) = default;
};

/// What a child is told.
struct child_place {
  std::uint32_t slot = 0;          ///< from 0
  std::string run;                 ///< a random name for this run, 32 hex digits
  std::optional<child_end> before; ///< how the last one in this slot ended, if there was one
};

struct supervisor_config {
  std::uint32_t slots = 1;
  /// A child that ended is followed at once, the next one after `first_wait`, then twice that, up to `longest_wait`.
  /// One that has run for `stable` makes it begin anew.
  std::chrono::milliseconds first_wait{200};
  std::chrono::milliseconds longest_wait{30'000};
  std::chrono::milliseconds stable{60'000};
  /// Stays the caller's. When its other end is closed, all children are killed at once.
  std::optional<int> control_fd = std::nullopt;
  /// How long children that were asked to end may take, before they are killed.
  std::chrono::milliseconds end_limit{10'000};
};

/// Keeps a child in each slot until SIGTERM or SIGINT, the end of `control_fd`, or a child's `refused_status`; then
/// ends all, waits for them, and returns what this process should exit with: `refused_status` for the last of these,
/// else 0.
///
/// A child is a fork that runs `child` and exits with what it returns, or crashes when that throws. It begins with the
/// caller's signal mask and, as after an exec, without signal handlers. It dies with its parent (on Linux). So the
/// caller must have one thread only, and open what its children are not to have after they were started.
int supervise(const supervisor_config& config, const std::function<int(const child_place&)>& child);

} // namespace vp::nodes
