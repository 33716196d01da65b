#pragma once

#include "media/byte_source.hpp"
#include "media/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

/// The boxes that an ISO file consists of (ISO/IEC 14496-12 section 4.2), as far as they are looked at without FFmpeg.
namespace vp::media {

struct box {
  std::uint64_t offset = 0;
  std::uint64_t size = 0; ///< with its header; 0: to the end of the file
  std::array<char, 4> name{};

  std::string_view type() const noexcept { return {name.data(), name.size()}; }
};

/// Calls `visit` for each box at the top level until it returns false; the last one may reach beyond the end of the
/// file. Of the source only the headers are read.
void walk_boxes(byte_source& source, const std::function<bool(const box&)>& visit);

/// The same for the boxes in these bytes of the source, such as another box's content.
void walk_boxes(byte_source& source, byte_range within, const std::function<bool(const box&)>& visit);

/// Calls `visit` with the type and the content of each box in these bytes, until it returns false or one does not fit;
/// true when none of that was so.
bool walk_boxes(std::span<std::uint8_t> bytes,
                const std::function<bool(std::string_view type, std::span<std::uint8_t> content)>& visit);

/// Fills as much of `into` as there is in the source from `offset`; answers how much that is.
std::size_t read_fully(byte_source& source, std::uint64_t offset, std::span<std::uint8_t> into);

std::uint64_t big_endian(const std::uint8_t* p, int bytes);

} // namespace vp::media
