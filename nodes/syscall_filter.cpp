#include "nodes/syscall_filter.hpp"

#ifdef __linux__

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <initializer_list>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace vp::nodes {

namespace {

struct rule {
  std::uint32_t action;
  int call;
  std::vector<scmp_arg_cmp> arguments;
};

/// The kernel takes an `int` from the lower half of its register, so only that is looked at.
scmp_arg_cmp bits(unsigned argument, std::uint32_t mask, std::uint32_t wanted) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, wanted};
}
scmp_arg_cmp number(unsigned argument, std::uint32_t wanted) {
  return bits(argument, 0xffffffff, wanted);
}
scmp_arg_cmp equal(unsigned argument, std::uint64_t wanted) {
  return {argument, SCMP_CMP_EQ, wanted, 0};
}
scmp_arg_cmp unlike(unsigned argument, std::uint64_t wanted) {
  return {argument, SCMP_CMP_NE, wanted, 0};
}

constexpr auto allow = SCMP_ACT_ALLOW;
constexpr auto refuse = SCMP_ACT_ERRNO(EACCES);

// clang-format off
constexpr std::initializer_list<int> allowed = {
    // what is open
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fstat),
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // threads
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(membarrier),
    SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(getcpu), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getpriority),
    // clocks
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
    // signals
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    SCMP_SYS(pause),
    // facts
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
};

/// Without them libraries fall back on something; none is worth a video's reputation.
constexpr std::initializer_list<int> refused = {
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat), SCMP_SYS(stat), SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getdents64),
    SCMP_SYS(getcwd), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(fadvise64), SCMP_SYS(ioctl), SCMP_SYS(setsockopt),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(eventfd2),
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(timerfd_create), SCMP_SYS(timer_create),
    SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(mbind), SCMP_SYS(get_mempolicy),
    SCMP_SYS(set_mempolicy), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setparam), SCMP_SYS(sched_setscheduler),
};
// clang-format on

/// Those whose arguments decide.
std::vector<rule> checked() {
  const auto self = static_cast<std::uint32_t>(::getpid());
  constexpr std::uint32_t namespaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  constexpr std::uint32_t only_data = 0xffffffff & ~(PROT_READ | PROT_WRITE);
  return {
      // A thread, never a process. The flags of clone3 are out of a filter's sight; without it glibc takes clone.
      {allow, SCMP_SYS(clone), {bits(0, CLONE_THREAD | CLONE_PTRACE | namespaces, CLONE_THREAD)}},
      {SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), {}},
      // RLIMIT_DATA counts neither shared memory nor what grows downwards.
      {allow, SCMP_SYS(mmap), {bits(2, only_data, 0), bits(3, 0xf | MAP_GROWSDOWN, MAP_PRIVATE)}},
      {allow, SCMP_SYS(mprotect), {bits(2, only_data, 0)}},
      // An address, with or without MSG_FASTOPEN, would be a new connection.
      {allow, SCMP_SYS(sendto), {bits(3, MSG_FASTOPEN, 0), equal(4, 0)}},
      {allow, SCMP_SYS(sendmsg), {bits(2, MSG_FASTOPEN, 0)}},
      // The others send signals: F_SETOWN names another process, F_SETSIG may be SIGKILL.
      {allow, SCMP_SYS(fcntl), {number(1, F_GETFD)}},
      {allow, SCMP_SYS(fcntl), {number(1, F_SETFD)}},
      {allow, SCMP_SYS(fcntl), {number(1, F_GETFL)}},
      {allow, SCMP_SYS(fcntl), {number(1, F_SETFL)}},
      {allow, SCMP_SYS(kill), {number(0, self)}},
      {allow, SCMP_SYS(tgkill), {number(0, self)}},
      // Threads take a name; the death signal and the dump stay as they are.
      {allow, SCMP_SYS(prctl), {equal(0, PR_SET_NAME)}},
      {refuse, SCMP_SYS(prctl), {unlike(0, PR_SET_NAME)}},
      // Nobody's priority but the caller's own, which is 0.
      {allow, SCMP_SYS(setpriority), {equal(0, PRIO_PROCESS), equal(1, 0)}},
      {refuse, SCMP_SYS(setpriority), {unlike(1, 0)}},
      // Root could raise the other limits again.
      {allow, SCMP_SYS(prlimit64), {equal(0, 0), equal(2, 0)}},
      {allow, SCMP_SYS(prlimit64), {equal(0, 0), equal(1, RLIMIT_CPU)}},
      {refuse, SCMP_SYS(prlimit64), {equal(0, 0), unlike(1, RLIMIT_CPU), unlike(2, 0)}},
      {allow, SCMP_SYS(setrlimit), {equal(0, RLIMIT_CPU)}},
      {refuse, SCMP_SYS(setrlimit), {unlike(0, RLIMIT_CPU)}},
  };
}

struct release_filter {
  void operator()(void* filter) const noexcept { seccomp_release(filter); }
};

} // namespace

result<void> filter_syscalls() {
  std::unique_ptr<void, release_filter> filter{seccomp_init(SCMP_ACT_KILL_PROCESS)};
  if (!filter)
    return fail(errc::internal, "this kernel cannot filter system calls");
  // The calls of other architectures have other numbers: x32's and those of 32 bits.
  auto failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (failed == 0)
    failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  auto rules = checked();
  for (const auto call : allowed)
    rules.push_back({allow, call, {}});
  for (const auto call : refused)
    rules.push_back({refuse, call, {}});
  for (const auto& x : rules) {
    if (failed == 0)
      failed = seccomp_rule_add_array(filter.get(), x.action, x.call, static_cast<unsigned>(x.arguments.size()),
                                      x.arguments.data());
  }
  if (failed == 0)
    failed = seccomp_load(filter.get());
  if (failed != 0)
    return fail(errc::internal,
                fmt::format("system calls cannot be filtered: {}", std::generic_category().message(-failed)));
  return {};
}

} // namespace vp::nodes

#else

namespace vp::nodes {

result<void> filter_syscalls() {
  return {};
}

} // namespace vp::nodes

#endif
