#include "actors/order.hpp"
#include "tests/actors/scripted.hpp"

#include <catch2/catch.hpp>

using namespace vp;

namespace {

constexpr encoder_id anna = 1;
constexpr encoder_id bert = 2;
constexpr encoder_id carl = 3;

/// Lets the encoder take and finish what it should do next; the segment's number, or -1 where there is nothing for it.
int step(order& x, encoder_id who, bool alone = false) {
  auto index = x.next(who, alone);
  if (!index)
    return -1;
  x.started(*index, who);
  x.encoded(*index);
  x.stored(x.cell(*index).number);
  return static_cast<int>(x.cell(*index).number);
}

} // namespace

TEST_CASE("one encoder does an order from the first segment to the last", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  for (int i = 0; i < 9; ++i)
    CHECK(step(x, anna, true) == i);
  CHECK(step(x, anna, true) == -1);
  CHECK(x.waiting() == 0);
  CHECK(x.unstored() == 0);
}

TEST_CASE("two encoders each do one contiguous half of the time", "[order]") {
  // 0 to 2, 2 to 4, then 4 s each: the middle of what the first one leaves is at 16 s.
  order x{test::make_order(test::hash_of('a'), 9)};
  CHECK(x.next(anna, false) == 0);
  x.started(0, anna);
  REQUIRE(x.next(bert, false) == 5);
  x.started(5, bert);
  x.encoded(0);
  x.encoded(5);
  for (int i = 1; i < 5; ++i)
    CHECK(step(x, anna) == i);
  for (int i = 6; i < 9; ++i)
    CHECK(step(x, bert) == i);
}

TEST_CASE("who has been there seeks again only where enough is left", "[order]") {
  order x{test::make_order(test::hash_of('a'), 12)};
  x.started(0, anna);
  x.started(6, bert);
  for (std::uint32_t i = 1; i < 6; ++i)
    x.started(i, anna);
  // 7 to 11 are Bert's; Anna is done with hers and takes the second half of the rest.
  REQUIRE(x.next(anna, false).has_value());
  CHECK(*x.next(anna, false) == 9);
  x.started(7, bert);
  x.started(8, bert);
  x.started(9, bert);
  // Two are left: not worth a seek for Anna, but for Carl, who has nothing else to do here.
  CHECK_FALSE(x.next(anna, false));
  CHECK(x.next(carl, false) == 11);
}

TEST_CASE("a run that nobody stands at goes on where it was left", "[order]") {
  order x{test::make_order(test::hash_of('a'), 8)};
  CHECK(step(x, anna) == 0);
  CHECK(step(x, anna) == 1);
  x.left(anna);
  CHECK(step(x, bert) == 2);
  CHECK(step(x, bert) == 3);
}

TEST_CASE("what was given back comes first, and preferably to another encoder", "[order]") {
  order x{test::make_order(test::hash_of('a'), 10)};
  x.started(0, anna);
  x.started(5, bert);
  CHECK(x.failed(5, bert) == 1);
  CHECK(x.next(carl, false) == 5);
  CHECK_FALSE(x.next(bert, false) == 5);
  CHECK(x.next(bert, true) == 5);
  x.started(5, carl);
  CHECK(x.lost(5, carl) == 1);
  x.started(5, anna);
  CHECK(x.failed(5, anna) == 2);
  CHECK(x.waiting() == 9);
}

TEST_CASE("segments count against the credit until they are stored", "[order]") {
  order x{test::make_order(test::hash_of('a'), 4)};
  x.started(0, anna);
  CHECK(x.unstored() == 1);
  x.stored(0); // Before it was encoded: means nothing.
  CHECK(x.unstored() == 1);
  x.encoded(0);
  CHECK(x.running() == 0);
  CHECK(x.unstored() == 1);
  x.stored(7); // No such segment.
  x.stored(0);
  x.stored(0); // Twice.
  CHECK(x.unstored() == 0);
}

TEST_CASE("cells that are done already split an order into runs", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 9);
  what.cells.erase(what.cells.begin() + 3, what.cells.begin() + 5);
  order x{std::move(what)};
  x.started(0, anna);
  // The second run belongs to nobody yet.
  CHECK(x.cell(*x.next(bert, false)).number == 5);
}
