#include "actors/chunk_layout.hpp"

#include <catch2/catch.hpp>

using vp::chunk_layout;

TEST_CASE("every chunk's size tells that of all, whatever the file's", "[chunk_layout]") {
  for (std::uint64_t size = 1; size <= 60; ++size)
    for (std::uint32_t chunks = 1; chunks <= 20; ++chunks) {
      chunk_layout layout{size, chunks};
      auto some = false;
      for (std::uint64_t s = 1; s <= size; ++s) {
        auto fits = (chunks - 1) * s < size && size <= chunks * s;
        some = some || fits;
        if (chunks > 1)
          CHECK(layout.fits(s) == fits);
        if (!fits || !layout.possible())
          continue;
        std::uint64_t sum = 0;
        for (std::uint32_t index = 0; index < chunks; ++index) {
          auto length = layout.size(index, s);
          CHECK(layout.offset(index, s) == sum);
          CHECK(length >= 1);
          CHECK(length <= layout.largest_size(index));
          sum += length;
          auto implied = layout.chunk_size_from(index, length);
          REQUIRE(implied);
          // Of a file in one piece only the piece counts.
          CHECK(*implied == (chunks == 1 ? size : s));
        }
        CHECK(sum == size);
      }
      CHECK(layout.possible() == some);
    }
}

TEST_CASE("a chunk that can't be in the file is refused in words", "[chunk_layout]") {
  chunk_layout layout{25, 3};
  for (std::uint64_t size : {0, 1, 8, 13, 25, 26})
    CHECK_FALSE(layout.chunk_size_from(0, size));
  for (std::uint64_t size : {0, 2, 4, 11, 25, 26})
    CHECK_FALSE(layout.chunk_size_from(2, size));
  auto refused = layout.chunk_size_from(0, 25);
  CHECK(refused.error().code == vp::errc::invalid_request);
  CHECK(refused.error().text == "chunk 0 has 25 bytes, which can't be in a file of 25 bytes in 3 chunks");
}
