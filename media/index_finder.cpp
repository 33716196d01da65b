#include "media/index_finder.hpp"

#include "media/boxes.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace vp::media {

namespace {

constexpr std::size_t header_size = 8;
constexpr std::size_t large_header_size = 16;
constexpr std::uint32_t most_boxes = 1000; ///< a file with more in front of its index is in fragments

/// What a file may begin with; `ftyp` is younger than QuickTime.
constexpr std::string_view first_boxes[] = {"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"};

} // namespace

index_finder::index_finder(std::uint64_t size) : size_(size) {
  go_to(0);
}

void index_finder::go_to(std::uint64_t offset) {
  wanted_ = {offset, std::min<std::uint64_t>(size_, offset + large_header_size)};
  if (++boxes_ > most_boxes || wanted_.size() < header_size) {
    wanted_ = {};
    state_ = outcome::none;
  }
}

void index_finder::take(std::span<const std::uint8_t> bytes) {
  if (state_ != outcome::searching || bytes.size() < wanted_.size())
    return;
  const auto offset = wanted_.begin;
  const std::string_view type(reinterpret_cast<const char*>(bytes.data()) + 4, 4);
  auto size = big_endian(bytes.data(), 4);
  auto least = header_size;
  if (size == 1 && wanted_.size() == large_header_size) {
    size = big_endian(bytes.data() + header_size, 8);
    least = large_header_size;
  } else if (size == 0) {
    size = size_ - offset; // to the end of the file
  }
  const bool first_is_known = offset != 0 || std::ranges::find(first_boxes, type) != std::end(first_boxes);
  if (size < least || size > size_ - offset || !first_is_known || type == "moof") {
    wanted_ = {};
    state_ = outcome::none;
  } else if (type == "moov") {
    wanted_ = {};
    index_ = {offset, offset + size};
    state_ = outcome::found;
  } else {
    go_to(offset + size);
  }
}

std::optional<byte_range> find_index(byte_source& source) {
  index_finder finder(source.size());
  std::array<std::uint8_t, large_header_size> head{};
  while (finder.state() == index_finder::outcome::searching) {
    const auto wanted = std::span(head).first(static_cast<std::size_t>(finder.wanted().size()));
    if (read_fully(source, finder.wanted().begin, wanted) != wanted.size())
      return std::nullopt;
    finder.take(wanted);
  }
  if (finder.state() == index_finder::outcome::none)
    return std::nullopt;
  return finder.index();
}

} // namespace vp::media
