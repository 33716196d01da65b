#include "kafka/offsets.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using vp::kafka::offset_tracker;
using vp::kafka::position;

namespace {

using positions = std::vector<position>;

void begin(offset_tracker& tracker, std::int32_t partition, std::initializer_list<std::int64_t> offsets) {
  for (const auto offset : offsets)
    tracker.began({partition, offset});
}

} // namespace

TEST_CASE("nothing may be committed before a job has ended", "[offsets]") {
  offset_tracker tracker;
  CHECK(tracker.take().empty());
  begin(tracker, 0, {0, 1});
  CHECK(tracker.take().empty());
}

TEST_CASE("an ended job is committed once, by the offset behind it", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 3, {17});
  tracker.ended({3, 17});
  CHECK(tracker.take() == positions{{3, 18}});
  CHECK(tracker.take().empty());
}

TEST_CASE("a job that still runs holds back what ended behind it", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {5, 6, 7});
  tracker.ended({0, 6});
  tracker.ended({0, 7});
  CHECK(tracker.take().empty());
  tracker.ended({0, 5});
  CHECK(tracker.take() == positions{{0, 8}});
}

TEST_CASE("what ended in front of a running job is committed up to it", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {5, 6, 7});
  tracker.ended({0, 5});
  CHECK(tracker.take() == positions{{0, 6}});
  tracker.ended({0, 7});
  CHECK(tracker.take().empty());
}

TEST_CASE("offsets that belong to no record are stepped over", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {10, 14, 30});
  tracker.ended({0, 10});
  CHECK(tracker.take() == positions{{0, 14}});
  tracker.ended({0, 14});
  tracker.ended({0, 30});
  CHECK(tracker.take() == positions{{0, 31}});
}

TEST_CASE("partitions don't hold each other back", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {1, 2});
  begin(tracker, 1, {1, 2});
  begin(tracker, 2, {9});
  tracker.ended({2, 9});
  tracker.ended({0, 1});
  tracker.ended({1, 2});
  CHECK(tracker.take() == positions{{0, 2}, {2, 10}});
}

TEST_CASE("the end of a job that is not known does nothing", "[offsets]") {
  offset_tracker tracker;
  tracker.ended({0, 4});
  begin(tracker, 0, {4});
  tracker.ended({0, 3});
  tracker.ended({0, 5});
  tracker.ended({1, 4});
  CHECK(tracker.take().empty());
  tracker.ended({0, 4});
  tracker.ended({0, 4});
  CHECK(tracker.take() == positions{{0, 5}});
}

TEST_CASE("a forgotten partition has nothing to commit, and begins anew where it comes back", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {1, 2});
  begin(tracker, 1, {1});
  tracker.ended({0, 1});
  tracker.ended({1, 1});
  tracker.forget(0);
  tracker.forget(7);
  CHECK(tracker.take() == positions{{1, 2}});
  tracker.ended({0, 2});
  CHECK(tracker.take().empty());

  begin(tracker, 0, {1}); // somebody else had not committed it
  CHECK(tracker.take().empty());
  tracker.ended({0, 1});
  CHECK(tracker.take() == positions{{0, 2}});
}

TEST_CASE("an offset that was seen already starts its partition anew, and only it", "[offsets]") {
  offset_tracker tracker;
  begin(tracker, 0, {100, 101});
  begin(tracker, 1, {50});
  tracker.ended({0, 100});
  REQUIRE(tracker.take() == positions{{0, 101}});

  const auto again = GENERATE(std::int64_t{0}, std::int64_t{100}, std::int64_t{101});
  CHECK(tracker.running() == 2);
  CHECK(tracker.restarts({0, again}));
  CHECK_FALSE(tracker.restarts({0, 102}));
  CHECK_FALSE(tracker.restarts({7, 0}));
  begin(tracker, 0, {again});
  CHECK(tracker.running() == 2);
  CHECK(tracker.take().empty());
  if (again != 101) {
    tracker.ended({0, 101}); // of before
    CHECK(tracker.take().empty());
  }
  tracker.ended({0, again});
  tracker.ended({1, 50});
  CHECK(tracker.take() == positions{{0, again + 1}, {1, 51}});
}

TEST_CASE("in any order of ends, nothing is committed early and all in the end", "[offsets]") {
  std::mt19937 random(20261124);
  for (int round = 0; round < 200; ++round) {
    offset_tracker tracker;
    std::vector<std::int64_t> waiting, running;
    for (std::int64_t offset = 0; offset < 60; offset += 1 + static_cast<std::int64_t>(random() % 3))
      waiting.push_back(offset);
    const auto last = waiting.back();
    std::int64_t committed = 0;
    while (!waiting.empty() || !running.empty()) {
      if (!waiting.empty() && (running.empty() || random() % 2 == 0)) {
        tracker.began({0, waiting.front()});
        running.push_back(waiting.front());
        waiting.erase(waiting.begin());
      } else {
        const auto which = running.begin() + static_cast<std::ptrdiff_t>(random() % running.size());
        tracker.ended({0, *which});
        running.erase(which);
      }
      for (const auto& due : tracker.take()) {
        REQUIRE(due.offset > committed);
        committed = due.offset;
      }
      // A successor reads everything that still runs, and everything that has not begun.
      for (const auto& unfinished : {running, waiting})
        REQUIRE(std::all_of(unfinished.begin(), unfinished.end(), [&](auto offset) { return offset >= committed; }));
    }
    REQUIRE(committed == last + 1);
  }
}
