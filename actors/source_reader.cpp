#include "actors/source_reader.hpp"

#include "actors/error.hpp"
#include "media/byte_source.hpp"

#include <algorithm>

namespace vp {

namespace {

result<bytes> read(const std::string& path, std::uint64_t offset, std::uint32_t length) {
  // Opened each time, which costs little beside the reading: a file that was deleted and uploaded again is another one.
  auto file = media::open_file(path);
  if (!file)
    return tl::unexpected(file.error());
  bytes::buffer block(std::min<std::size_t>(length, piece_size));
  std::size_t filled = 0;
  while (filled < block.size()) {
    auto got = (*file)->read(offset + filled, std::span(block).subspan(filled));
    if (!got)
      return tl::unexpected(got.error());
    if (*got == 0)
      break;
    filled += *got;
  }
  block.resize(filled);
  return bytes{std::move(block)};
}

} // namespace

source_reader_actor::behavior_type source_reader(source_reader_actor::pointer) {
  return {
      [](read_atom, const std::string& path, std::uint64_t offset, std::uint32_t length) {
        return to_caf(read(path, offset, length));
      },
  };
}

} // namespace vp
