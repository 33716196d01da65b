#include "nodes/sandbox.hpp"

#include "nodes/syscall_filter.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <new>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define VP_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VP_ADDRESS_SANITIZER
#endif
#endif

namespace vp::nodes {

namespace {

#ifdef VP_ADDRESS_SANITIZER
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

result<void> failed(std::string_view what) {
  return fail(errc::internal, fmt::format("the sandbox: {}: {}", what, std::generic_category().message(errno)));
}

/// Both the soft and the hard limit.
template <class Resource>
result<void> lower(Resource resource, std::uint64_t wanted, std::string_view what) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0)
    return failed(what);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, wanted);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(resource, &limit) != 0)
    return failed(what);
  return {};
}

/// Leaves room for a few: what a library has open for a moment.
result<void> limit_files() {
  constexpr int spare = 8;
  int highest = STDERR_FILENO;
  std::error_code problem;
  std::filesystem::directory_iterator entry{"/dev/fd", problem};
  for (; !problem && entry != std::filesystem::directory_iterator{}; entry.increment(problem)) {
    const auto name = entry->path().filename().string();
    int number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    highest = std::max(highest, number);
  }
  if (problem)
    return fail(errc::internal, fmt::format("the sandbox: /dev/fd: {}", problem.message()));
  return lower(RLIMIT_NOFILE, static_cast<std::uint64_t>(highest) + 1 + spare, "RLIMIT_NOFILE");
}

bool is_file(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/// A log in a file goes on: it can be filled as well through a pipe.
result<void> limit_file_size() {
  if (is_file(STDOUT_FILENO) || is_file(STDERR_FILENO))
    return {};
  return lower(RLIMIT_FSIZE, 0, "RLIMIT_FSIZE");
}

/// What only Linux has, besides the filter.
result<void> give_up_privileges([[maybe_unused]] const sandbox_limits& limits) {
#ifdef __linux__
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return failed("PR_SET_NO_NEW_PRIVS");
  if (sanitized) // its leak checker attaches itself as a debugger
    return {};
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return failed("PR_SET_DUMPABLE");
  // The limit is compared with all that the user runs, which nobody counts; the machine's total is at least that.
  struct sysinfo machine {};
  if (::sysinfo(&machine) != 0)
    return failed("sysinfo");
  return lower(RLIMIT_NPROC, std::uint64_t{machine.procs} + limits.threads, "RLIMIT_NPROC");
#else
  return {};
#endif
}

} // namespace

result<void> enter_sandbox(const sandbox_limits& limits) {
  ::tzset(); // reads a file, which a timestamp in the log does no more
  if (auto done = limit_files(); !done)
    return done;
  if (auto done = limit_file_size(); !done)
    return done;
  if (auto done = lower(RLIMIT_CORE, 0, "RLIMIT_CORE"); !done)
    return done;
  if (auto done = give_up_privileges(limits); !done)
    return done;
  if (sanitized) {
    spdlog::warn("under AddressSanitizer a process is not locked in: no limit of memory, no filter of system calls");
    return {};
  }
  if (auto done = lower(RLIMIT_DATA, limits.memory, "RLIMIT_DATA"); !done)
    return done;
  std::set_new_handler([] { ::_exit(memory_status); });
  return filter_syscalls();
}

void limit_cpu(std::chrono::seconds more) {
  rusage used{};
  rlimit limit{};
  ::getrusage(RUSAGE_SELF, &used);
  ::getrlimit(RLIMIT_CPU, &limit);
  const auto spent = std::chrono::seconds{used.ru_utime.tv_sec + used.ru_stime.tv_sec}
                     + std::chrono::microseconds{used.ru_utime.tv_usec + used.ru_stime.tv_usec};
  const auto until = std::chrono::ceil<std::chrono::seconds>(spent + std::max(more, std::chrono::seconds{0}));
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(std::max<std::int64_t>(until.count(), 1)));
  if (::setrlimit(RLIMIT_CPU, &limit) != 0)
    spdlog::warn("the limit of CPU time stays as it is: {}", std::generic_category().message(errno));
}

} // namespace vp::nodes
