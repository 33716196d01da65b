#include "media/boxes.hpp"

#include <cstring>

namespace vp::media {

std::size_t read_fully(byte_source& source, std::uint64_t offset, std::span<std::uint8_t> into) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    const auto got = source.read(offset + filled, into.subspan(filled));
    if (!got || *got == 0)
      break;
    filled += *got;
  }
  return filled;
}

std::uint64_t big_endian(const std::uint8_t* p, int bytes) {
  std::uint64_t value = 0;
  while (bytes-- > 0)
    value = value << 8 | *p++;
  return value;
}

void walk_boxes(byte_source& source, const std::function<bool(const box&)>& visit) {
  walk_boxes(source, {0, source.size()}, visit);
}

void walk_boxes(byte_source& source, byte_range within, const std::function<bool(const box&)>& visit) {
  constexpr int most_boxes = 1'000'000; // of a fragmented file, and enough for a day of it
  box it;
  it.offset = within.begin;
  for (int i = 0; i < most_boxes && it.offset + 8 <= within.end; ++i) {
    std::array<std::uint8_t, 16> head{};
    read_fully(source, it.offset, head);
    it.size = big_endian(head.data(), 4);
    std::memcpy(it.name.data(), head.data() + 4, 4);
    if (it.size == 1)
      it.size = big_endian(head.data() + 8, 8);
    const bool whole = it.size >= 8 && it.size <= within.end - it.offset;
    if (!visit(it) || !whole)
      return;
    it.offset += it.size;
  }
}

bool walk_boxes(std::span<std::uint8_t> bytes,
                const std::function<bool(std::string_view type, std::span<std::uint8_t> content)>& visit) {
  while (bytes.size() >= 8) {
    std::uint64_t size = big_endian(bytes.data(), 4);
    std::size_t header = 8;
    if (size == 1 && bytes.size() >= 16) {
      size = big_endian(bytes.data() + 8, 8);
      header = 16;
    }
    if (size < header || size > bytes.size())
      return false;
    const std::string_view type(reinterpret_cast<const char*>(bytes.data()) + 4, 4);
    if (!visit(type, bytes.subspan(header, static_cast<std::size_t>(size) - header)))
      return false;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
  return true;
}

} // namespace vp::media
