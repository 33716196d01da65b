#include "http/file_root.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

namespace vp::http {

namespace {

/// A FIFO with that name must not hold up the thread that opens it.
constexpr int file_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

boost::beast::file_posix own(int descriptor) {
  boost::beast::file_posix file;
  file.native_handle(descriptor);
  return file;
}

/// One component at a time, following no link: for kernels without openat2.
int open_by_steps(int folder, std::span<const std::string> segments) {
  boost::beast::file_posix held;
  int at = folder;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    at = ::openat(at, segments[i].c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
    if (at < 0)
      return -1;
    held = own(at);
  }
  return ::openat(at, segments.back().c_str(), file_flags | O_NOFOLLOW);
}

int open_beneath(int folder, std::span<const std::string> segments) {
#ifdef __linux__
  const auto path = fmt::format("{}", fmt::join(segments, "/"));
  open_how how{};
  how.flags = file_flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto descriptor = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
  // A sandbox that does not know the call refuses it with EPERM.
  if (descriptor >= 0 || (errno != ENOSYS && errno != EPERM))
    return static_cast<int>(descriptor);
#endif
  return open_by_steps(folder, segments);
}

} // namespace

result<file_root> file_root::open(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (descriptor < 0)
    return fail(errc::io_failed,
                fmt::format("cannot open the folder {}: {}", folder.string(), std::generic_category().message(errno)));
  return file_root{own(descriptor)};
}

result<open_file> file_root::find(std::span<const std::string> segments) const {
  const auto missing = [] { return fail(errc::not_found, "no such file"); };
  if (segments.empty())
    return missing();
  for (const auto& segment : segments) {
    if (segment.empty() || segment.front() == '.' || segment.find('/') != std::string::npos
        || segment.find('\0') != std::string::npos)
      return missing();
  }
  const int descriptor = open_beneath(folder_.native_handle(), segments);
  if (descriptor < 0) {
    const int cause = errno;
    if (cause == EMFILE || cause == ENFILE)
      return fail(errc::overloaded, "too many open files");
    return missing();
  }
  open_file file{own(descriptor)};
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode))
    return missing();
  file.size = static_cast<std::uint64_t>(facts.st_size);
  file.inode = static_cast<std::uint64_t>(facts.st_ino);
#ifdef __APPLE__
  file.modified = facts.st_mtimespec;
#else
  file.modified = facts.st_mtim;
#endif
  return file;
}

} // namespace vp::http
