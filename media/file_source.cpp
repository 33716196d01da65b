#include "media/byte_source.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vp::media {

namespace {

class file_source final : public byte_source {
public:
  file_source(int descriptor, std::uint64_t size) : descriptor_(descriptor), size_(size) {}
  ~file_source() override { ::close(descriptor_); }

  std::uint64_t size() const noexcept override { return size_; }

  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= size_)
      return std::size_t{0};
    for (;;) {
      const auto got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got >= 0)
        return static_cast<std::size_t>(got);
      if (errno != EINTR)
        return fail(errc::io_failed, fmt::format("cannot read the source: {}", std::strerror(errno)));
    }
  }

private:
  int descriptor_;
  std::uint64_t size_;
};

} // namespace

result<std::unique_ptr<byte_source>> open_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return fail(errno == ENOENT ? errc::not_found : errc::io_failed,
                fmt::format("cannot open {}: {}", path.string(), std::strerror(errno)));
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return fail(errc::io_failed, fmt::format("{} is not a regular file", path.string()));
  }
  return std::make_unique<file_source>(descriptor, static_cast<std::uint64_t>(info.st_size));
}

} // namespace vp::media
