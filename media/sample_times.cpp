#include "media/sample_times.hpp"

#include "media/boxes.hpp"
#include "media/fingerprint.hpp"
#include "media/index_finder.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace vp::media {

namespace {

/// Hours of video have some megabytes of it.
constexpr std::uint64_t largest_index = std::uint64_t{256} << 20U;
constexpr std::uint64_t largest_type = 4096;

void put_big_endian(std::span<std::uint8_t> to, std::uint64_t value) {
  for (auto it = to.rbegin(); it != to.rend(); ++it, value >>= 8U)
    *it = static_cast<std::uint8_t>(value);
}

/// Bytes, and behind them as many zeros as anybody reads.
class padded_source final : public byte_source {
public:
  explicit padded_source(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t size() const noexcept override { return std::uint64_t{1} << 40U; }

  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= size())
      return std::size_t{0};
    std::fill(into.begin(), into.end(), std::uint8_t{0});
    if (offset < bytes_.size())
      std::memcpy(into.data(), bytes_.data() + offset,
                  std::min(into.size(), bytes_.size() - static_cast<std::size_t>(offset)));
    return into.size();
  }

private:
  std::vector<std::uint8_t> bytes_;
};

/// A table's entries of `width` bytes, behind `head` bytes that end with their number; none where they don't fit.
std::optional<std::span<std::uint8_t>> entries(std::span<std::uint8_t> content, std::size_t head, std::size_t width) {
  if (content.size() < head)
    return std::nullopt;
  const auto size = big_endian(content.data() + head - 4, 4) * width;
  if (size > content.size() - head)
    return std::nullopt;
  return content.subspan(head, static_cast<std::size_t>(size));
}

/// From the index down to a track's tables.
constexpr std::string_view path[] = {"trak", "mdia", "minf", "stbl"};

/// Makes all samples in the boxes of an index one byte long, and has all chunks begin at the same place.
class shrinker {
public:
  explicit shrinker(std::uint64_t place) : place_(place) {}

  bool run(std::span<std::uint8_t> boxes, std::size_t depth = 0) {
    return walk_boxes(boxes, [=, this](std::string_view type, std::span<std::uint8_t> content) {
      if (depth == std::size(path))
        return on_table(type, content);
      if (depth == 0 && type == path[depth])
        in_order_.push_back(true);
      return type == path[depth] ? run(content, depth + 1) : type != "cmov" && type != "mvex";
    });
  }

  std::vector<bool> in_order() && { return std::move(in_order_); }

private:
  bool on_table(std::string_view type, std::span<std::uint8_t> content) {
    if (type == "ctts") // section 8.6.1.3
      in_order_.back() = false;
    if (type == "stco" || type == "co64") { // section 8.7.5
      const std::size_t width = type == "stco" ? 4 : 8;
      const auto offsets = entries(content, 8, width);
      for (std::size_t at = 0; offsets && at < offsets->size(); at += width)
        put_big_endian(offsets->subspan(at, width), place_);
      return offsets.has_value();
    }
    if (type == "stsz") { // section 8.7.3.2
      if (content.size() >= 12 && big_endian(content.data() + 4, 4) != 0)
        return true; // all have one size, which has a say in their times where they are plain numbers
      const auto sizes = entries(content, 12, 4);
      for (std::size_t at = 0; sizes && at < sizes->size(); at += 4)
        if (big_endian(sizes->data() + at, 4) == 0)
          return false;
      if (sizes)
        put_big_endian(content.subspan(4, 4), 1);
      return sizes.has_value();
    }
    return type != "stz2";
  }

  std::uint64_t place_;
  std::vector<bool> in_order_;
};

} // namespace

sample_times read_sample_times(byte_source& source) {
  std::vector<std::uint8_t> made;
  const auto index = find_index(source);
  if (!index || index->size() > largest_index)
    return {};
  // What kind of file it is has a say in how its index is read.
  std::array<std::uint8_t, 8> head{};
  const auto type_size = read_fully(source, 0, head) == head.size() && std::memcmp(head.data() + 4, "ftyp", 4) == 0
                             ? big_endian(head.data(), 4)
                             : 0;
  if (type_size > largest_type)
    return {};
  made.resize(static_cast<std::size_t>(type_size + index->size()));
  const auto bytes = std::span(made).subspan(static_cast<std::size_t>(type_size));
  const auto size = bytes.size();
  if (read_fully(source, 0, std::span(made).first(static_cast<std::size_t>(type_size))) != type_size
      || read_fully(source, index->begin, bytes) != size)
    return {};
  fingerprint digest;
  digest.add(bytes);
  constexpr std::size_t header = 8;
  const auto place = made.size() + header;
  shrinker shrinking(place);
  if (size <= header || big_endian(bytes.data(), 4) != size || !shrinking.run(bytes.subspan(header)))
    return {};
  made.insert(made.end(), {0, 0, 0, 0, 'm', 'd', 'a', 't'}); // to the end of the file
  return {std::make_unique<padded_source>(std::move(made)), digest.hex(), std::move(shrinking).in_order()};
}

} // namespace vp::media
