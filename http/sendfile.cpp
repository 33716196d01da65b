#include "http/sendfile.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/sendfile.h>
#endif

namespace vp::http {

namespace {

#ifdef __linux__

ssize_t send_piece(int socket, int file, std::uint64_t offset, std::uint64_t size) {
  constexpr std::uint64_t most = 1024 * 1024;
  auto position = static_cast<off_t>(offset);
  return ::sendfile(socket, file, &position, static_cast<std::size_t>(std::min(size, most)));
}

#else

ssize_t send_piece(int socket, int file, std::uint64_t offset, std::uint64_t size) {
  std::array<char, 64 * 1024> piece;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, piece.size()));
  const auto got = ::pread(file, piece.data(), wanted, static_cast<off_t>(offset));
  return got <= 0 ? got : ::send(socket, piece.data(), static_cast<std::size_t>(got), 0);
}

#endif

} // namespace

tl::expected<std::uint64_t, beast::error_code> send_from_file(int socket, int file, std::uint64_t offset,
                                                              std::uint64_t size) {
  for (;;) {
    const auto sent = send_piece(socket, file, offset, size);
    if (sent > 0)
      return static_cast<std::uint64_t>(sent);
    if (sent == 0)
      return tl::unexpected<beast::error_code>(asio::error::eof);
    if (errno == EINTR)
      continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      return 0;
    return tl::unexpected<beast::error_code>(beast::error_code{errno, boost::system::system_category()});
  }
}

} // namespace vp::http
