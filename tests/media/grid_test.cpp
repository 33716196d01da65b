#include "media/grid.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using namespace vp::media;

namespace {

constexpr std::uint32_t timescale = 90000;
constexpr std::int64_t second = timescale;

struct shown {
  std::int64_t pts;
  std::int64_t duration;
};

/// Frames at a steady rate, from `first` on.
std::vector<shown> steady(int count, std::int64_t duration, std::int64_t first = 0) {
  std::vector<shown> frames;
  for (int i = 0; i < count; ++i)
    frames.push_back({first + i * duration, duration});
  return frames;
}

/// The grid of these frames, fed in the order of presentation, and of audio up to `audio_seconds` (none: below 0).
std::vector<segment> grid_of(const std::vector<shown>& frames, double audio_seconds = -1) {
  grid_planner planner({timescale, !frames.empty(), audio_seconds >= 0});
  for (const auto& frame : frames)
    planner.add_frame(frame.pts, frame.pts, frame.duration);
  if (audio_seconds >= 0)
    planner.add_audio(static_cast<std::int64_t>(audio_seconds * audio_sample_rate));
  planner.finish();
  return planner.take();
}

std::vector<double> starts(const std::vector<segment>& grid) {
  std::vector<double> seconds;
  for (const auto& cell : grid)
    seconds.push_back(static_cast<double>(cell.start) / timescale);
  return seconds;
}

/// What every grid promises.
void check_grid(const std::vector<segment>& grid, const std::vector<shown>& frames) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const auto& cell = grid[i];
    CHECK(cell.number == i);
    CHECK(cell.start < cell.end);
    if (i > 0) {
      CHECK(cell.start == grid[i - 1].end);
      CHECK(cell.audio_start == grid[i - 1].audio_end);
    }
    CHECK(cell.audio_start <= cell.audio_end);
    const auto inside = std::count_if(frames.begin(), frames.end(),
                                      [&](const auto& f) { return f.pts >= cell.start && f.pts < cell.end; });
    CHECK(cell.frames == static_cast<std::uint32_t>(inside));
    count += cell.frames;
  }
  CHECK(count == frames.size());
}

} // namespace

TEST_CASE("segments are 2 s, 2 s, then 4 s") {
  const auto frames = steady(30 * 18, 3000);
  const auto grid = grid_of(frames, 18);
  check_grid(grid, frames);
  CHECK(starts(grid) == std::vector<double>{0, 2, 4, 8, 12, 16});
  CHECK(grid.back().end == 18 * second);
  CHECK(grid[0].audio_start == 0);
  CHECK(grid[1].audio_start == 94); // 2 s are 93.75 frames of 1024 samples
  CHECK(grid.back().audio_end == 844);
}

TEST_CASE("a tail under a second is part of the segment before") {
  CHECK(starts(grid_of(steady(30 * 8 + 29, 3000))) == std::vector<double>{0, 2, 4});
  CHECK(starts(grid_of(steady(30 * 8 + 30, 3000))) == std::vector<double>{0, 2, 4, 8});
}

TEST_CASE("a cut is where a frame is") {
  const auto frames = steady(300, 3003); // 29.97 frames a second
  const auto grid = grid_of(frames, 10);
  check_grid(grid, frames);
  CHECK(grid[1].start == 60 * 3003); // the first frame at or after 2 s
  CHECK(grid[0].frames == 60);
  // Audio is cut at the same time, at the next whole frame of its own.
  CHECK(grid[1].audio_start == 94);
}

TEST_CASE("nominal segments without a frame are part of the one before") {
  auto frames = steady(15, 9000);                  // 1.5 s at 10 frames a second
  const auto late = steady(60, 9000, 14 * second); // and on from 14 s
  frames.back().duration = 14 * second - frames.back().pts;
  frames.insert(frames.end(), late.begin(), late.end());
  const auto grid = grid_of(frames);
  check_grid(grid, frames);
  CHECK(starts(grid) == std::vector<double>{0, 14, 16});
}

TEST_CASE("one frame every ten seconds is one a segment") {
  const auto frames = steady(5, 10 * second);
  const auto grid = grid_of(frames);
  check_grid(grid, frames);
  CHECK(starts(grid) == std::vector<double>{0, 10, 20, 30, 40});
  CHECK(grid.back().end == 50 * second);
}

TEST_CASE("a single frame is a segment") {
  const auto frames = steady(1, 3600);
  const auto grid = grid_of(frames);
  check_grid(grid, frames);
  REQUIRE(grid.size() == 1);
  CHECK(grid[0].end == 3600);
}

TEST_CASE("video that begins late keeps its place, and audio begins at time zero") {
  const auto frames = steady(150, 3000, second / 2);
  const auto grid = grid_of(frames, 5.5);
  check_grid(grid, frames);
  CHECK(grid[0].start == second / 2);
  CHECK(grid[0].audio_start == 0);
  CHECK(grid[1].start == 2 * second);
}

TEST_CASE("audio is as long as the video") {
  const auto grid = grid_of(steady(300, 3000), 3);
  CHECK(grid.back().end == 10 * second);
  CHECK(grid.back().audio_end == 469); // 10 s are 468.75 frames
}

TEST_CASE("audio that goes on for less than a second is part of the last segment") {
  const auto grid = grid_of(steady(300, 3000), 10.9);
  CHECK(starts(grid) == std::vector<double>{0, 2, 4, 8});
  CHECK(grid.back().end == 10 * second);
  CHECK(grid.back().audio_end == 511); // 10.9 s are 510.9
}

TEST_CASE("audio that goes on for longer gets segments without video") {
  const auto frames = steady(300, 3000);
  const auto grid = grid_of(frames, 21.5);
  check_grid(grid, frames);
  CHECK(starts(grid) == std::vector<double>{0, 2, 4, 8, 10, 12, 16, 20});
  CHECK(grid[3].frames == 60);
  CHECK(grid[4].frames == 0);
  CHECK(grid[4].audio_start == 469);
  CHECK(grid.back().audio_end == 1008); // 21.5 s are 1007.8
}

TEST_CASE("beside audio the last frame lasts four seconds at most") {
  const auto frames = steady(2, 100 * second);
  CHECK(grid_of(frames).back().end == 200 * second);
  const auto grid = grid_of(frames, 111);
  check_grid(grid, frames);
  CHECK(starts(grid) == std::vector<double>{0, 100, 104, 108});
  CHECK(grid[1].frames == 1);
  CHECK(grid[2].frames == 0);
}

TEST_CASE("the widest step is that of some reordered frames, and no wider than a segment") {
  const auto widest = [](const std::vector<shown>& frames) {
    grid_planner planner({timescale, true, false});
    for (const auto& frame : frames)
      planner.add_frame(frame.pts, frame.pts, frame.duration);
    planner.finish();
    return planner.widest_step();
  };
  CHECK(widest(steady(300, 3000)) == 8 * 3000);
  CHECK(widest(steady(1, 50 * second)) == 50 * second);
  CHECK(widest(steady(4, 10 * second)) == 10 * second);
  CHECK(widest(steady(4, second / 2)) == 3 * second / 2);
}

TEST_CASE("audio alone is cut at the same times") {
  const auto grid = grid_of({}, 9.5);
  check_grid(grid, {});
  CHECK(starts(grid) == std::vector<double>{0, 2, 4, 8});
  CHECK(grid[1].audio_start == 94);
  CHECK(grid.back().audio_end == 446); // 9.5 s are 445.3
  CHECK(grid_of({}, 8.9).size() == 3); // a tail under a second here too
}

TEST_CASE("frames that come twice count once, and those that come too late not at all") {
  grid_planner planner({timescale, true, false});
  for (int i = 0; i < 300; ++i) {
    planner.add_frame(i * 3000, i * 3000, 3000);
    planner.add_frame(i * 3000, i * 3000, 3000);
  }
  planner.add_frame(1000, 1000, 3000); // behind a cut that was made
  planner.finish();
  const auto grid = planner.take();
  std::uint32_t count = 0;
  for (const auto& cell : grid)
    count += cell.frames;
  CHECK(count == 300);
  CHECK(grid[0].frames == 60);
}

TEST_CASE("timestamps that jump back count only once they are ahead again") {
  grid_planner planner({timescale, true, false});
  for (const int length : {150, 210})
    for (int i = 0; i < length; ++i)
      planner.add_frame(i * 3000 + length, i * 3000 + length, 3000); // no two alike
  planner.finish();
  std::uint32_t count = 0;
  for (const auto& cell : planner.take())
    count += cell.frames;
  CHECK(count < 270);
  CHECK(count >= 210);
  CHECK(planner.video_end() == 210 * 3000 + 210);
  CHECK(planner.dropped() + count == 360);
}

TEST_CASE("a segment is certain once a second of media follows it, and not before") {
  grid_planner planner({timescale, true, false});
  int i = 0;
  for (; i < 90; ++i) // 3 s: [2 s, 3 s) is whole
    planner.add_frame(i * 3000, i * 3000, 3000);
  auto taken = planner.take();
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].end == 2 * second);
  for (; i < 149; ++i)
    planner.add_frame(i * 3000, i * 3000, 3000);
  CHECK(planner.take().empty());
  planner.add_frame(i * 3000, i * 3000, 3000);
  CHECK(planner.take().size() == 1);
}

TEST_CASE("reordered frames are not mistaken for a cut") {
  // I P B B: the P frame at 2 s is decoded before the two shown ahead of it.
  grid_planner planner({timescale, true, false});
  std::vector<shown> frames;
  const auto add = [&](std::int64_t n, std::int64_t order) {
    planner.add_frame(n * 3000, (order - 1) * 3000, 3000);
    frames.push_back({n * 3000, 3000});
  };
  add(0, 0);
  for (std::int64_t n = 3, order = 1; n < 300; n += 3) {
    add(n, order++);
    add(n - 2, order++);
    add(n - 1, order++);
  }
  planner.finish();
  const auto grid = planner.take();
  check_grid(grid, frames);
  CHECK(grid[0].frames == 60);
}

TEST_CASE("a grid does not depend on when it is asked for, nor on decoding times") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<shown> frames;
    std::int64_t pts = 0;
    const int count = std::uniform_int_distribution(1, 400)(random);
    for (int i = 0; i < count; ++i) {
      // Mostly steady, now and then a gap of some seconds.
      const bool gap = std::uniform_int_distribution(0, 40)(random) == 0;
      const auto duration = std::uniform_int_distribution<std::int64_t>(1, gap ? 9 * second : 5000)(random);
      frames.push_back({pts, duration});
      pts += duration;
    }
    // Decoded out of order within groups of four.
    auto decoded = frames;
    for (std::size_t i = 0; i + 4 <= decoded.size(); i += 4)
      std::shuffle(decoded.begin() + static_cast<std::ptrdiff_t>(i),
                   decoded.begin() + static_cast<std::ptrdiff_t>(i) + 4, random);
    const double audio = std::uniform_real_distribution(0.0, 2.0 * static_cast<double>(pts) / timescale)(random);
    const auto expected = grid_of(frames, audio);
    check_grid(expected, frames);

    grid_planner bit_by_bit({timescale, true, true});
    std::vector<segment> taken;
    const auto take = [&] {
      for (const auto& cell : bit_by_bit.take())
        taken.push_back(cell);
    };
    bit_by_bit.add_audio(static_cast<std::int64_t>(audio * audio_sample_rate));
    for (std::size_t i = 0; i < decoded.size(); ++i) {
      const auto lowest = frames[i / 4 * 4].pts; // of this group and all that follow
      bit_by_bit.add_frame(decoded[i].pts, lowest, decoded[i].duration);
      take();
    }
    bit_by_bit.finish();
    take();
    CHECK(taken == expected);
    for (std::size_t i = 0; i + 1 < expected.size(); ++i)
      CHECK((expected[i].frames > 0 || expected[i].audio_end > expected[i].audio_start));
  }
}
