#include "actors/file.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <random>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vp {

namespace fs = std::filesystem;

namespace {

tl::unexpected<error> failure(std::string_view doing, const fs::path& path, int number) {
  auto code = errc::io_failed;
  if (number == ENOSPC || number == EDQUOT)
    code = errc::disk_full;
  else if (number == ENOENT)
    code = errc::not_found;
  auto text = std::string{doing};
  if (!path.empty())
    text += " " + path.string();
  return fail(code, text + ": " + std::generic_category().message(number));
}

tl::unexpected<error> failure(std::string_view doing, int number = errno) {
  return failure(doing, {}, number);
}

/// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
  auto answer = call();
  while (answer < 0 && errno == EINTR)
    answer = call();
  return answer;
}

fs::path temporary_name(fs::path path) {
  path += unique_suffix() + ".tmp";
  return path;
}

} // namespace

result<file> file::open(const fs::path& path, mode how) {
  auto flags = O_CLOEXEC;
  switch (how) {
  case mode::read:
    flags |= O_RDONLY;
    break;
  case mode::write:
    flags |= O_RDWR;
    break;
  case mode::create:
    flags |= O_RDWR | O_CREAT;
    break;
  case mode::fresh:
    flags |= O_RDWR | O_CREAT | O_EXCL;
    break;
  }
  auto fd = retry([&] { return ::open(path.c_str(), flags, 0644); });
  if (fd < 0)
    return failure("opening", path, errno);
  return file{fd};
}

result<file> file::nameless(const fs::path& folder) {
  auto name = temporary_name(folder / "nameless");
  auto made = open(name, mode::fresh);
  ::unlink(name.c_str());
  return made;
}

file::file(file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

file& file::operator=(file&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

file::~file() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<void> file::write_at(std::uint64_t offset, std::span<const unsigned char> data) {
  while (!data.empty()) {
    auto n = retry([&] { return ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset)); });
    if (n < 0)
      return failure("writing");
    data = data.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

result<std::size_t> file::read_at(std::uint64_t offset, std::span<unsigned char> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    auto rest = into.subspan(done);
    auto n = retry([&] { return ::pread(fd_, rest.data(), rest.size(), static_cast<off_t>(offset + done)); });
    if (n < 0)
      return failure("reading");
    if (n == 0)
      break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

result<std::uint64_t> file::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0)
    return failure("looking at a file");
  return static_cast<std::uint64_t>(status.st_size);
}

bool file::is_at(const fs::path& path) const noexcept {
  struct stat here {};
  struct stat there {};
  return ::fstat(fd_, &here) == 0 && ::stat(path.c_str(), &there) == 0 && here.st_dev == there.st_dev
         && here.st_ino == there.st_ino;
}

result<void> file::resize(std::uint64_t size) {
  if (retry([&] { return ::ftruncate(fd_, static_cast<off_t>(size)); }) != 0) {
    if (errno == EFBIG)
      return fail(errc::disk_full, "the disk's file system can't hold a file of this size");
    return failure("resizing");
  }
  return {};
}

result<void> file::sync() {
#ifdef __linux__
  auto answer = retry([&] { return ::fdatasync(fd_); });
#else
  auto answer = retry([&] { return ::fsync(fd_); });
#endif
  if (answer != 0)
    return failure("syncing");
  return {};
}

result<void> file::sync_file_system() {
#ifdef __linux__
  if (::syncfs(fd_) != 0)
    return failure("syncing");
#else
  ::sync();
#endif
  return {};
}

void file::start_writeback([[maybe_unused]] std::uint64_t offset, [[maybe_unused]] std::uint64_t length) noexcept {
#ifdef __linux__
  ::sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
#endif
}

result<bool> file::try_lock(bool exclusive) {
  if (retry([&] { return ::flock(fd_, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB); }) == 0)
    return true;
  if (errno == EWOULDBLOCK)
    return false;
  return failure("locking");
}

#ifdef F_OFD_SETLK
namespace {

/// Of one byte; unlike POSIX locks it belongs to the opening of the file, so closing another one doesn't end it.
struct flock byte_lock(short type, std::uint64_t offset) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(offset);
  lock.l_len = 1;
  return lock;
}

} // namespace

result<bool> file::try_lock_byte(std::uint64_t offset) {
  auto lock = byte_lock(F_WRLCK, offset);
  if (retry([&] { return ::fcntl(fd_, F_OFD_SETLK, &lock); }) == 0)
    return true;
  if (errno == EAGAIN || errno == EACCES)
    return false;
  return failure("locking");
}

void file::unlock_byte(std::uint64_t offset) noexcept {
  auto lock = byte_lock(F_UNLCK, offset);
  ::fcntl(fd_, F_OFD_SETLK, &lock);
}
#else
result<bool> file::try_lock_byte(std::uint64_t) {
  return fail(errc::internal, "this system has no locks with which processes can share a data folder");
}

void file::unlock_byte(std::uint64_t) noexcept {}
#endif

std::string unique_suffix() {
  // Processes in containers may have the same id.
  static const auto process = std::to_string(::getpid()) + "-" + std::to_string(std::random_device{}());
  static std::atomic<std::uint64_t> counter{0};
  return "." + process + "-" + std::to_string(++counter);
}

result<void> write_file_atomically(const fs::path& path, std::span<const unsigned char> data, durable when) {
  auto temporary = temporary_name(path);
  auto write = [&]() -> result<void> {
    auto out = file::open(temporary, file::mode::fresh);
    if (!out)
      return tl::unexpected(out.error());
    if (auto written = out->write_at(0, data); !written)
      return written;
    if (when == durable::now)
      if (auto synced = out->sync(); !synced)
        return synced;
    if (::rename(temporary.c_str(), path.c_str()) != 0)
      return failure("renaming to", path, errno);
    return when == durable::now ? sync_folder(path.parent_path()) : result<void>{};
  };
  auto written = write();
  if (!written)
    ::unlink(temporary.c_str());
  return written;
}

result<void> write_file_atomically(const fs::path& path, std::string_view text, durable when) {
  return write_file_atomically(path, std::span{reinterpret_cast<const unsigned char*>(text.data()), text.size()}, when);
}

result<void> sync_file(const fs::path& path) {
  auto opened = file::open(path, file::mode::read);
  if (!opened)
    return tl::unexpected(opened.error());
  return opened->sync();
}

result<void> sync_folder(const fs::path& path) {
  return sync_file(path);
}

result<void> remove_tree(const fs::path& path) {
  std::error_code problem;
  fs::remove_all(path, problem);
  // Somebody else may be removing it too.
  if (problem && problem != std::errc::no_such_file_or_directory)
    return failure("removing", path, problem.value());
  return {};
}

result<void> make_folder(const fs::path& path) {
  std::error_code problem;
  fs::create_directories(path, problem);
  if (problem)
    return failure("making the folder", path, problem.value());
  return {};
}

result<std::uint64_t> free_space(const fs::path& path) {
  std::error_code problem;
  auto space = fs::space(path, problem);
  if (problem)
    return failure("looking at the disk of", path, problem.value());
  return space.available;
}

} // namespace vp
