#include "media/growing.hpp"

#include "media/boxes.hpp"
#include "media/index_finder.hpp"

#include <algorithm>
#include <array>

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
  int most_boxes = 1000; // a track each, and a few more
  bool found = false;
  walk_boxes(source, {index.begin + box_header, index.end}, [&](const box& it) {
    found = it.type() == "mvex";
    return !found && --most_boxes > 0;
  });
  return found;
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
