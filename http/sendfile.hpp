#pragma once

#include "http/common.hpp"

#include <cstdint>

namespace vp::http {

/// Sends a piece of a file through a socket that doesn't block; answers how many bytes it took, 0 where it is full. A
/// file that ends early is an error. On Linux the bytes never leave the kernel.
tl::expected<std::uint64_t, beast::error_code> send_from_file(int socket, int file, std::uint64_t offset,
                                                              std::uint64_t size);

} // namespace vp::http
