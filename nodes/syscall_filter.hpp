#pragma once

#include "media/error.hpp"

namespace vp::nodes {

/// From now on no thread of this process makes another system call than a program does that computes, logs and talks
/// over what it has open: reads, writes, polls, memory without code in it, threads, clocks, signals to itself. What
/// libraries try in passing, such as opening a file, fails with EACCES; all else ends the process with SIGSYS. For
/// good. Where there is no seccomp this does nothing.
result<void> filter_syscalls();

} // namespace vp::nodes
