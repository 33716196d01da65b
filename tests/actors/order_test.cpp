#include "actors/order.hpp"
#include "tests/actors/scripted.hpp"

#include <catch2/catch.hpp>

using namespace vp;

namespace {

constexpr encoder_id anna = 1;
constexpr encoder_id bert = 2;
constexpr encoder_id carl = 3;

/// All renditions of the cell with this index.
order::part all(std::size_t index) {
  return {index, 0b111};
}

/// The index of what an encoder should do next, or -1.
int next(const order& x, encoder_id who, bool alone) {
  auto what = x.next(who, alone);
  return what ? static_cast<int>(what->index) : -1;
}

/// Lets the encoder take and finish what it should do next; the segment's number, or -1 where there is nothing for it.
int step(order& x, encoder_id who, bool alone = false) {
  auto what = x.next(who, alone);
  if (!what)
    return -1;
  x.started(*what, who);
  x.encoded(*what);
  const auto number = x.cell(what->index).number;
  x.stored(number);
  return static_cast<int>(number);
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
  CHECK(next(x, anna, false) == 0);
  x.started(all(0), anna);
  REQUIRE(next(x, bert, false) == 5);
  x.started(all(5), bert);
  x.encoded(all(0));
  x.encoded(all(5));
  for (int i = 1; i < 5; ++i)
    CHECK(step(x, anna) == i);
  for (int i = 6; i < 9; ++i)
    CHECK(step(x, bert) == i);
}

TEST_CASE("who has been there seeks again only where enough is left", "[order]") {
  order x{test::make_order(test::hash_of('a'), 12)};
  x.started(all(0), anna);
  x.started(all(6), bert);
  for (std::uint32_t i = 1; i < 6; ++i)
    x.started(all(i), anna);
  // 7 to 11 are Bert's; Anna is done with hers and takes the second half of the rest.
  REQUIRE(x.next(anna, false).has_value());
  CHECK(next(x, anna, false) == 9);
  x.started(all(7), bert);
  x.started(all(8), bert);
  x.started(all(9), bert);
  // Two are left: not worth a seek for Anna, but for Carl, who has nothing else to do here.
  CHECK_FALSE(x.next(anna, false));
  CHECK(next(x, carl, false) == 11);
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
  x.started(all(0), anna);
  x.started(all(5), bert);
  CHECK(x.failed(all(5), bert) == 1);
  CHECK(next(x, carl, false) == 5);
  CHECK_FALSE(next(x, bert, false) == 5);
  CHECK(next(x, bert, true) == 5);
  x.started(all(5), carl);
  CHECK(x.lost(all(5), carl) == 1);
  x.started(all(5), anna);
  CHECK(x.failed(all(5), anna) == 2);
  CHECK(x.waiting() == 9);
}

TEST_CASE("segments count against the credit until they are stored", "[order]") {
  order x{test::make_order(test::hash_of('a'), 4)};
  x.started(all(0), anna);
  CHECK(x.unstored() == 1);
  x.stored(0); // Before it was encoded: means nothing.
  CHECK(x.unstored() == 1);
  x.encoded(all(0));
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
  x.started(all(0), anna);
  // The second run belongs to nobody yet.
  CHECK(x.cell(x.next(bert, false)->index).number == 5);
}

std::optional<order::part> wished(const order& x, encoder_id encoder, bool alone) {
  auto urgent = x.urgent(encoder, alone, false);
  return urgent ? urgent : x.later(encoder, alone);
}

TEST_CASE("what viewers wait for comes first, a rendition at a time", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.started(all(0), anna);
  x.wish({{{7, 0b100}}, {{5, 0b010}, {0, 0b010}}});
  CHECK(x.has_wishes());
  REQUIRE(wished(x, bert, false) == order::part{7, 0b100});
  x.started({7, 0b100}, bert);
  REQUIRE(wished(x, carl, false) == order::part{5, 0b010});
  x.started({5, 0b010}, carl);
  // The last one is being made already.
  CHECK_FALSE(wished(x, anna, false));
  CHECK_FALSE(x.has_wishes());
  // The rest of such a segment is a task like any other.
  x.encoded({5, 0b010});
  x.stored(5);
  x.wish({});
  for (int i = 1; i < 5; ++i)
    CHECK(step(x, anna) == i);
  CHECK(x.next(anna, false) == order::part{5, 0b101});
}

TEST_CASE("what an order wants first comes after what viewers wait for", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 9);
  what.first = {{3, 0b010}};
  order x{std::move(what)};
  x.wish({{{7, 0b100}}, {}});
  REQUIRE(wished(x, anna, false) == order::part{7, 0b100});
  x.started({7, 0b100}, anna);
  REQUIRE(wished(x, bert, false) == order::part{3, 0b010});
  x.started({3, 0b010}, bert);
  CHECK_FALSE(x.has_wishes());
}

TEST_CASE("some urgent wishes are left to others, and none of them waits for those that are not", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.wish({{{7, 0b001}, {5, 0b001}}, {{2, 0b001}}, 2});
  CHECK(x.urgent(anna, false, false) == order::part{7, 0b001});
  std::size_t theirs = 1;
  CHECK(x.left_over(anna, false, theirs) == order::part{5, 0b001});
  theirs = 3;
  CHECK_FALSE(x.left_over(anna, false, theirs));
  CHECK(theirs == 1); // which another order's wishes are left to
  CHECK(x.later(anna, false) == order::part{2, 0b001});
  // Who plays on is not left to the last of them.
  x.wish({{{7, 0b001}, {5, 0b001}}, {}, 1});
  theirs = 2;
  CHECK(x.left_over(anna, false, theirs) == order::part{5, 0b001});
}

TEST_CASE("the last encoder for viewers does what was sought, and sound", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.wish({{{7, 0b001}, {5, 0b001}, {5, 0b100}}, {}, 1});
  CHECK(x.urgent(anna, false, true) == order::part{7, 0b001});
  x.started({7, 0b001}, anna);
  CHECK(x.urgent(bert, false, true) == order::part{5, 0b100});
  x.started({5, 0b100}, bert);
  CHECK_FALSE(x.urgent(bert, false, true));
  CHECK(x.urgent(bert, false, false) == order::part{5, 0b001});
}

TEST_CASE("an urgent wish is held back by pictures that are not, once", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.started(all(3), anna);
  x.wish({{}, {{3, 0b001}}});
  CHECK_FALSE(x.holds_back(all(3), order::need::soon)); // it can wait
  CHECK_FALSE(x.soon(bert, false));
  x.wish({{}, {{3, 0b001}}, 0, 1});
  CHECK_FALSE(x.holds_back(all(3), order::need::urgent));
  CHECK(x.holds_back(all(3), order::need::soon));
  x.wish({{{3, 0b001}, {3, 0b010}, {4, 0b001}}, {}});
  CHECK_FALSE(x.holds_back(all(3), order::need::urgent)); // sound holds up nobody
  x.wish({{{3, 0b001}, {4, 0b001}}, {}});
  REQUIRE(x.holds_back(all(3), order::need::urgent));
  CHECK_FALSE(x.holds_back(all(3), order::need::sought)); // nobody has sought to it
  x.interrupted(all(3), anna);
  CHECK(x.urgent(bert, false, false) == order::part{3, 0b001});
  x.started(all(3), anna);
  CHECK_FALSE(x.holds_back(all(3), order::need::urgent));
}

TEST_CASE("what is wanted soon is the first of what can wait", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.wish({{{1, 0b001}}, {{2, 0b001}, {3, 0b001}}, 0, 1});
  CHECK(x.soon(anna, false) == order::part{2, 0b001});
  x.started({2, 0b001}, anna);
  CHECK_FALSE(x.soon(bert, false));
  CHECK(x.later(bert, false) == order::part{3, 0b001});
}

TEST_CASE("what is urgent is no part of a task for the rest", "[order]") {
  order x{test::make_order(test::hash_of('a'), 2)};
  x.wish({{{0, 0b001}, {1, 0b111}}, {}, 2});
  std::size_t theirs = 9;
  CHECK_FALSE(x.left_over(anna, false, theirs));
  CHECK(x.next(anna, false) == order::part{0, 0b110});
  x.started({0, 0b110}, anna);
  CHECK_FALSE(x.next(anna, false));
  x.wish({});
  CHECK(x.next(bert, false) == order::part{0, 0b001});
  CHECK(x.next(anna, false) == order::part{1, 0b111});
}

TEST_CASE("what somebody has failed at is left to ordinary encoders", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.wish({{{3, 0b001}}, {}});
  x.started({3, 0b001}, anna);
  x.failed({3, 0b001}, anna);
  CHECK_FALSE(x.urgent(bert, false, false));
  std::size_t theirs = 2;
  CHECK(x.left_over(bert, false, theirs) == order::part{3, 0b001});
}

TEST_CASE("what an order wants first and somebody has failed at is left to ordinary encoders", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 9);
  what.first = {{3, 0b001}};
  order x{std::move(what)};
  x.started({3, 0b001}, anna);
  x.failed({3, 0b001}, anna);
  CHECK_FALSE(x.first(bert, false, false));
  CHECK(x.later(bert, false) == order::part{3, 0b001});
}

TEST_CASE("only what has arrived is given out", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 4);
  for (auto& cell : what.cells)
    cell.ready = 0;
  order x{std::move(what)};
  x.wish({{{2, 0b001}}, {}});
  CHECK(x.waiting() == 0);
  CHECK_FALSE(x.next(anna, true));
  CHECK_FALSE(wished(x, anna, true));
  x.arrived({{2, 0b011}, {9, 0b111}});
  CHECK(x.waiting() == 1);
  CHECK(wished(x, anna, true) == order::part{2, 0b001});
  x.wish({});
  CHECK(x.next(anna, true) == order::part{2, 0b011});
  x.started({2, 0b011}, anna);
  CHECK(x.waiting() == 0);
  x.arrived({{2, 0b100}});
  CHECK(x.next(anna, true) == order::part{2, 0b100});
}

TEST_CASE("a task for one rendition can be left again and again", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.started({3, 0b001}, anna);
  x.interrupted({3, 0b001}, anna);
  x.started(all(3), anna);
  x.wish({{{3, 0b001}}, {}, 1});
  CHECK(x.holds_back(all(3), order::need::sought));
}

TEST_CASE("it is known whether seekers wait, and for what nobody does", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  const order::part sought{3, 0b001};
  x.wish({{{3, 0b001}}, {}, 1});
  CHECK(x.keeps_seekers_waiting());
  x.started(sought, anna);
  CHECK_FALSE(x.keeps_seekers_waiting());
  CHECK_FALSE(x.is_for_nobody(sought));
  SECTION("not for what only a fresh encoder may make") {
    x.crashed(sought, anna);
  }
  SECTION("not for what somebody has failed at") {
    x.failed(sought, anna);
  }
  CHECK_FALSE(x.keeps_seekers_waiting());
  x.wish({{{4, 0b001}}, {{6, 0b001}, {7, 0b001}}, 0, 1});
  CHECK_FALSE(x.keeps_seekers_waiting()); // who plays on
  CHECK(x.is_for_nobody(sought));
  CHECK_FALSE(x.is_for_nobody({4, 0b001}));
  CHECK_FALSE(x.is_for_nobody({6, 0b001})); // is wanted soon
  CHECK(x.is_for_nobody({7, 0b001}));
  x.wish({{{4, 0b100}}, {}, 1});
  CHECK_FALSE(x.is_for_nobody({4, 0b001})); // will be wanted behind the sound
}

TEST_CASE("what is still on its way is given to encoders for viewers, and once a reading", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 3);
  for (auto& cell : what.cells)
    cell.ready = 0;
  order x{what};
  x.wish({{{1, 0b001}, {2, 0b001}}, {}, 2, 0, {{1, 0b001}}, 7});
  CHECK(x.reading() == 7);
  CHECK(x.has_wishes());
  CHECK_FALSE(x.next(anna, true));
  std::size_t theirs = 0;
  CHECK_FALSE(x.left_over(anna, true, theirs));
  const order::part early{1, 0b001};
  REQUIRE(x.urgent(anna, true, false) == early);
  CHECK(x.is_early(early));
  x.started(early, anna);
  x.taken_back(early, anna, 7);
  CHECK_FALSE(x.urgent(anna, true, false));
  x.wish({{{1, 0b001}}, {}, 1, 0, {{1, 0b001}}, 7});
  CHECK_FALSE(x.urgent(anna, true, false));
  x.wish({{{1, 0b001}}, {}, 1, 0, {{1, 0b001}}, 8});
  CHECK(x.urgent(anna, true, false) == early);
  // Or the other way round: it is known to come anew before what was made of it comes to nothing.
  x.started(early, anna);
  x.wish({{{1, 0b001}}, {}, 1, 0, {{1, 0b001}}, 9});
  x.taken_back(early, anna, 8);
  CHECK(x.urgent(anna, true, false) == early);
  x.arrived({{1, 0b111}});
  REQUIRE(x.urgent(anna, true, false) == early);
  CHECK_FALSE(x.is_early(early));
}

TEST_CASE("audio leaves the decoder of pictures where it stands", "[order]") {
  order x{test::make_order(test::hash_of('a'), 9)};
  x.started(all(0), anna);
  x.encoded(all(0));
  x.wish({{{6, 0b100}}, {}});
  x.started(*wished(x, anna, true), anna);
  CHECK(next(x, anna, true) == 1);
}

TEST_CASE("copied pictures leave the decoder where it stands", "[order]") {
  auto what = test::make_order(test::hash_of('a'), 9);
  what.plan.renditions.front().encoder = media::copied;
  order x{std::move(what)};
  CHECK(step(x, anna) == 0);
  x.started({6, 0b001}, anna);
  x.encoded({6, 0b001});
  CHECK(next(x, anna, false) == 1);
}

TEST_CASE("a part that was lost waits with the rest of its segment", "[order]") {
  order x{test::make_order(test::hash_of('a'), 3)};
  x.started({1, 0b001}, anna);
  x.started({1, 0b110}, bert);
  CHECK(x.running_parts() == std::vector<cell_part>{{1, 0b111}});
  CHECK(x.lost({1, 0b001}, anna) == 1);
  CHECK(x.running_parts() == std::vector<cell_part>{{1, 0b110}});
  CHECK(x.next(carl, false) == order::part{1, 0b001});
}

TEST_CASE("an order goes on with a longer source", "[order]") {
  auto more = test::make_order(test::hash_of('a'), 6);
  auto what = more;
  what.cells.resize(3);
  what.source.state = media::arrival::growing;
  order x{std::move(what)};
  for (int i = 0; i < 3; ++i)
    CHECK(step(x, anna, true) == i);
  CHECK(x.waiting() == 0);
  more.source.size = 2000;
  // With the poster of a cell that was done.
  more.cells.erase(more.cells.begin(), more.cells.begin() + 2);
  more.cells[0].wanted = poster_bit(more.plan);
  x.grow(more);
  CHECK(x.source() == more.source);
  CHECK(x.waiting() == 4);
  REQUIRE(x.next(bert, true));
  CHECK(*x.next(bert, true) == order::part{2, poster_bit(more.plan)});
  CHECK(step(x, bert, true) == 2);
  // Anna's decoder stands where it goes on.
  CHECK(next(x, anna, false) == 3);
  for (int i = 3; i < 6; ++i)
    CHECK(step(x, anna, true) == i);
  CHECK(x.unstored() == 0);
}

TEST_CASE("an order that goes on may want more of a cell that was done before it began", "[order]") {
  auto more = test::make_order(test::hash_of('a'), 6);
  auto what = more;
  what.cells.resize(3);
  what.cells[0].wanted = 0;
  order x{std::move(what)};
  CHECK(x.waiting() == 2);
  more.cells = {more.cells[0], more.cells[3], more.cells[4], more.cells[5]};
  more.cells[0].wanted = poster_bit(more.plan);
  x.grow(more);
  CHECK(x.waiting() == 6);
  for (int i = 0; i < 6; ++i)
    CHECK(step(x, anna, true) == i);
  CHECK(x.waiting() == 0);
  CHECK(x.unstored() == 0);
}
