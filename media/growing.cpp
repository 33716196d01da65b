#include "media/growing.hpp"

#include "media/boxes.hpp"
#include "media/index_finder.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace vp::media {

namespace {

constexpr std::array<std::uint8_t, 4> ebml{0x1a, 0x45, 0xdf, 0xa3}; // RFC 8794 section 11.2.1

/// What a transport stream's packets may begin with (ISO/IEC 13818-1 section 2.4.3.2), and how many bytes they may
/// have; those with a timestamp have it in front.
constexpr std::uint8_t sync = 0x47;
struct packet_form {
  std::size_t size;
  std::size_t offset; ///< of the sync byte
};
constexpr packet_form forms[] = {{188, 0}, {192, 4}, {204, 0}};

constexpr std::size_t box_header = 8;

} // namespace

bool begins_like_growing(std::span<const std::uint8_t> head) {
  if (head.size() >= ebml.size() && std::equal(ebml.begin(), ebml.end(), head.begin()))
    return true;
  return std::any_of(std::begin(forms), std::end(forms), [&](const packet_form& form) {
    constexpr std::size_t enough = 5; // packets
    for (std::size_t i = 0; i < enough; ++i)
      if (const auto at = i * form.size + form.offset; at >= head.size() || head[at] != sync)
        return false;
    return true;
  });
}

bool is_fragmented(byte_source& source, byte_range index) {
  constexpr int most_boxes = 1000; // a track each, and a few more
  auto at = index.begin + box_header;
  for (int i = 0; i < most_boxes && at + box_header <= index.end; ++i) {
    std::array<std::uint8_t, box_header> head{};
    read_fully(source, at, head);
    const std::string_view type(reinterpret_cast<const char*>(head.data()) + 4, 4);
    const auto size = big_endian(head.data(), 4);
    if (type == "mvex")
      return true;
    if (size < box_header) // none of them has as much as 4 GiB
      return false;
    at += size;
  }
  return false;
}

std::uint64_t usable_size(byte_source& source) {
  if (!find_index(source))
    return source.size();
  std::uint64_t end = 0;
  walk_boxes(source, [&](const box& it) {
    const bool whole = it.size >= box_header && it.size <= source.size() - it.offset;
    if (whole && it.type() != "moof") // which is nothing without its data
      end = it.offset + it.size;
    return whole;
  });
  return end;
}

beginning::beginning(byte_source& source, std::uint64_t size) : source_(source), size_(std::min(size, source.size())) {}

result<std::size_t> beginning::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  if (offset >= size_)
    return 0;
  return source_.read(offset,
                      into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - offset))));
}

} // namespace vp::media
