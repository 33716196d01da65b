#pragma once

#include "media/byte_source.hpp"

#include <string>
#include <vector>

namespace vp::cli {

/// `length` bytes from `offset`, fewer only at the end.
result<std::vector<char>> read_range(media::byte_source& source, std::uint64_t offset, std::uint64_t length);

/// Tells two files of one name and size apart: SHA-256 over the first MiB, the last MiB and the size in decimal digits,
/// in hex. The pages compute the same, so that an upload begun in a browser is continued here.
result<std::string> fingerprint(media::byte_source& source);

} // namespace vp::cli
