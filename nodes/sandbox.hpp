#pragma once

#include "media/error.hpp"

#include <chrono>
#include <cstdint>

namespace vp::nodes {

/// What locks an encoder's process in before it touches a video that somebody sent.
///
/// Against whom: a video that is made to break a decoder.
/// - A crash ends one process, which is nobody else's; so does a hang, by `limit_cpu` or by the deadline of whoever
///   waits; memory ends at `sandbox_limits::memory`, and the disk cannot be reached.
/// - Code that a video gets to run cannot reach the host: it opens no file and no connection, starts no program, and
///   neither signals nor reads another process. It can burn CPU time, as it can ignore SIGXCPU.
/// - What remains is what was open: the log, and the link to the server, with all that its actors there can be told.
///   Its exit status, too, is its own to choose.

struct sandbox_limits {
  /// Bytes of private writable memory, thread stacks and the heap among it (RLIMIT_DATA).
  std::uint64_t memory = 0;
  /// By how many threads and processes the whole machine may grow before this process may start no more threads
  /// (RLIMIT_NPROC, which counts all that the user runs; root is not held to it).
  std::uint32_t threads = 1024;
};

/// The exit status of a process for which `new` found no memory, instead of std::bad_alloc, once it is locked in.
inline constexpr int memory_status = 121;

/// Shuts the door behind this process, all its threads and those to come, for good: no new privileges, no core dump,
/// no debugger, no file and no connection besides those that are open, `limits`, and few system calls. Those that are
/// forbidden end the process with SIGSYS; see filter_syscalls. After an error the process is locked in partly, and must
/// end. Everything that needs a file, such as a library's plugin, has to be loaded before.
///
/// Under AddressSanitizer, which needs all of that itself, only files and core dumps are limited, and the log says so.
result<void> enter_sandbox(const sandbox_limits& limits);

/// Lets this process use `more` CPU time, in whole seconds, rounded up, from now on: then SIGXCPU ends it. Replaces
/// what an earlier call has allowed. Works in the sandbox, and without.
void limit_cpu(std::chrono::seconds more);

} // namespace vp::nodes
