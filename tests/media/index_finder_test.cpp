#include "clips.hpp"
#include "media/index_finder.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace vp;
using media::byte_range;
using media::index_finder;

namespace {

std::string box(std::string_view type, std::uint32_t size) {
  std::string made;
  for (int shift = 24; shift >= 0; shift -= 8)
    made += static_cast<char>(size >> static_cast<unsigned>(shift));
  made += type;
  return made;
}

/// Feeds what is wanted from `file`, as far as `size` claims that it goes.
index_finder search(const std::string& file, std::uint64_t size) {
  index_finder finder(size);
  while (finder.state() == index_finder::outcome::searching) {
    auto bytes = file.substr(finder.wanted().begin, finder.wanted().size());
    bytes.resize(finder.wanted().size());
    finder.take(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  }
  return finder;
}

std::string filled(std::string box, std::size_t size) {
  box.resize(size);
  return box;
}

} // namespace

TEST_CASE("index_finder: wants headers only") {
  auto file = filled(box("ftyp", 24), 24) + filled(box("mdat", 5000), 5000) + filled(box("moov", 300), 300);
  index_finder finder(file.size());
  std::vector<byte_range> wanted;
  while (finder.state() == index_finder::outcome::searching) {
    wanted.push_back(finder.wanted());
    finder.take(
        std::span(reinterpret_cast<const std::uint8_t*>(file.data()) + finder.wanted().begin, finder.wanted().size()));
  }
  CHECK(wanted == std::vector<byte_range>{{0, 16}, {24, 40}, {5024, 5040}});
  CHECK(finder.state() == index_finder::outcome::found);
  CHECK(finder.index() == byte_range{5024, 5324});
}

TEST_CASE("index_finder: large boxes and boxes to the end") {
  auto large = box("mdat", 1) + std::string("\0\0\0\1\0\0\0\0", 8);
  auto file = filled(box("ftyp", 16), 16) + large;
  constexpr std::uint64_t behind = 16 + (std::uint64_t{1} << 32U);
  index_finder finder(behind + 100);
  finder.take(std::span(reinterpret_cast<const std::uint8_t*>(file.data()), 16));
  finder.take(std::span(reinterpret_cast<const std::uint8_t*>(file.data()) + 16, 16));
  REQUIRE(finder.state() == index_finder::outcome::searching);
  CHECK(finder.wanted() == byte_range{behind, behind + 16});
  auto last = filled(box("moov", 0), 16);
  finder.take(std::span(reinterpret_cast<const std::uint8_t*>(last.data()), 16));
  CHECK(finder.index() == byte_range{behind, behind + 100});
}

TEST_CASE("index_finder: what has no index") {
  auto none = [](const std::string& file, std::uint64_t size) {
    return search(file, size).state() == index_finder::outcome::none;
  };
  CHECK(none("", 0));
  CHECK(none("short", 5));
  CHECK(none("\x1a\x45\xdf\xa3 matroska and so on", 4000));
  CHECK(none(filled(box("ftyp", 16), 16) + filled(box("mdat", 100), 100), 116));
  // In fragments.
  CHECK(none(filled(box("ftyp", 16), 16) + filled(box("moof", 100), 100), 4000));
  // A box that is smaller than its header, or larger than the file.
  CHECK(none(filled(box("ftyp", 7), 16), 4000));
  CHECK(none(filled(box("ftyp", 16), 16) + filled(box("moov", 5000), 16), 4000));
  // Nothing but empty boxes.
  std::string empty;
  for (int i = 0; i < 5000; ++i)
    empty += box("free", 8);
  CHECK(none(empty, empty.size()));
}

TEST_CASE("index_finder: of a file that is there") {
  const auto path = clips::make("index_last.mp4", "-f lavfi -i testsrc=duration=1:size=64x48:rate=10");
  auto source = media::open_file(path.string());
  REQUIRE(source);
  const auto index = media::find_index(**source);
  REQUIRE(index);
  CHECK(index->end == (*source)->size()); // it is the last box
  CHECK(index->begin > 0);
}
