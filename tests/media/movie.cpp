#include "movie.hpp"

#include "clips.hpp"
#include "media/analyze.hpp"
#include "media/json.hpp"
#include "media/segment_encoder.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <sstream>

using namespace vp::media;

namespace movie {

namespace {

interrupt limit() {
  return interrupt(std::chrono::seconds(60));
}

std::unique_ptr<segment_encoder> open(byte_source& source, const plan& plan) {
  auto opened = segment_encoder::open(source, plan);
  REQUIRE(opened);
  return std::move(*opened);
}

std::vector<fragment> encode_cell(segment_encoder& encoder, const segment& cell) {
  auto made = encoder.encode(cell, {}, limit());
  if (!made)
    FAIL("segment " << cell.number << ": " << made.error().text);
  return std::move(*made);
}

/// Whether at least a fifth of a second of it lies inside the source's audio; all the clips are loud throughout.
bool has_sound(const plan& plan, const fragment& of) {
  const auto rate = static_cast<double>(plan.source.audio->sample_rate);
  const auto begin = static_cast<double>(plan.audio_anchors.front().position) / rate;
  const auto end = static_cast<double>(plan.audio_anchors.back().position) / rate;
  const auto start = static_cast<double>(of.start) / audio_sample_rate;
  return std::min(end, start + static_cast<double>(of.duration) / audio_sample_rate) - std::max(begin, start) > 0.2;
}

} // namespace

const track& movie::find(const std::string& name) const {
  const auto found =
      std::find_if(tracks.begin(), tracks.end(), [&](const auto& t) { return t.rendition.name == name; });
  REQUIRE(found != tracks.end());
  return *found;
}

movie encode(byte_source& source, const encode_settings& settings) {
  movie out;
  auto analysis = analyze(source, settings, limit());
  if (!analysis)
    FAIL(analysis.error().text);
  out.analysis = std::move(*analysis);
  // As another process would have it.
  const auto plan = plan_from_json(plan_to_json(out.analysis.plan));
  REQUIRE(plan);
  REQUIRE(*plan == out.analysis.plan);

  for (const auto& rendition : plan->renditions) {
    const auto init = std::find_if(out.analysis.inits.begin(), out.analysis.inits.end(),
                                   [&](const auto& i) { return i.rendition == rendition.id; });
    REQUIRE(init != out.analysis.inits.end());
    out.tracks.push_back({rendition, init->bytes, {}});
  }
  const auto encoder = open(source, *plan);
  for (const auto& cell : out.analysis.segments)
    for (auto& fragment : encode_cell(*encoder, cell)) {
      const auto track = std::find_if(out.tracks.begin(), out.tracks.end(),
                                      [&](const auto& t) { return t.rendition.id == fragment.rendition; });
      REQUIRE(track != out.tracks.end());
      track->fragments.push_back(std::move(fragment));
    }
  return out;
}

movie encode(const std::filesystem::path& clip) {
  const auto source = open_file(clip);
  REQUIRE(source);
  return encode(**source);
}

void check_order_makes_no_difference(byte_source& source, const movie& made, const encode_settings& settings) {
  const auto again = analyze(source, settings, limit());
  REQUIRE(again);
  CHECK(again->plan == made.analysis.plan);
  CHECK(again->segments == made.analysis.segments);
  CHECK(again->inits == made.analysis.inits);

  const auto same = [&](const std::vector<fragment>& fragments, const segment& cell) {
    std::size_t expected = 0;
    for (const auto& track : made.tracks)
      for (const auto& fragment : track.fragments)
        if (fragment.segment == cell.number) {
          ++expected;
          const auto other = std::find_if(fragments.begin(), fragments.end(),
                                          [&](const auto& f) { return f.rendition == fragment.rendition; });
          REQUIRE(other != fragments.end());
          INFO(track.rendition.name << ", segment " << cell.number);
          CHECK(other->bytes == fragment.bytes);
          CHECK(other->start == fragment.start);
          CHECK(other->duration == fragment.duration);
        }
    CHECK(fragments.size() == expected);
  };
  auto cells = made.analysis.segments;
  for (const auto& cell : cells)
    if (cell.number % 2 == 1 || cells.size() == 1)
      same(encode_cell(*open(source, made.analysis.plan), cell), cell);
  std::shuffle(cells.begin(), cells.end(), std::mt19937(7));
  const auto encoder = open(source, made.analysis.plan);
  for (const auto& cell : cells)
    same(encode_cell(*encoder, cell), cell);
}

void check_fragments(const movie& made) {
  const auto& plan = made.analysis.plan;
  const auto& cells = made.analysis.segments;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    CHECK(cells[i].number == i);
    if (i > 0) {
      CHECK(cells[i].start == cells[i - 1].end);
      CHECK(cells[i].audio_start == cells[i - 1].audio_end);
    }
  }
  for (const auto& track : made.tracks) {
    const bool video = track.rendition.kind == media_kind::video;
    INFO(track.rendition.name);
    REQUIRE_FALSE(track.fragments.empty());
    CHECK(player::timescale(track.init) == (video ? plan.timescale : static_cast<std::uint32_t>(audio_sample_rate)));
    std::vector<player::fragment> parsed;
    for (std::size_t i = 0; i < track.fragments.size(); ++i) {
      const auto& fragment = track.fragments[i];
      INFO("fragment " << i);
      const auto& boxes = parsed.emplace_back(player::parse(fragment.bytes));
      CHECK(fragment.segment == i); // numbered without a gap
      CHECK(boxes.sequence == i + 1);
      CHECK(boxes.start == fragment.start);
      CHECK(boxes.end() == fragment.start + fragment.duration);
      CHECK(boxes.samples.size() == fragment.frames);
      if (i > 0)
        CHECK(boxes.start == parsed[i - 1].end());
      const auto& cell = cells[i];
      if (video) {
        CHECK(fragment.start == cell.start);
        CHECK(fragment.start + fragment.duration == cell.end);
        CHECK(fragment.frames == cell.frames);
        CHECK(std::count_if(boxes.samples.begin(), boxes.samples.end(), [](const auto& s) { return s.key; }) >= 1);
        const auto first = std::min_element(boxes.samples.begin(), boxes.samples.end(),
                                            [](const auto& x, const auto& y) { return x.pts < y.pts; });
        CHECK(first == boxes.samples.begin());
        CHECK(first->pts == fragment.start);
        const auto pictures = player::decode_video(track.init, boxes);
        for (const auto& picture : pictures) {
          REQUIRE(picture.width == track.rendition.width);
          REQUIRE(picture.height == track.rendition.height);
        }
      } else {
        CHECK(fragment.start == cell.audio_start * audio_frame_size);
        CHECK(fragment.duration == (cell.audio_end - cell.audio_start) * audio_frame_size);
        const auto samples = player::decode_audio(track.init, std::span(&boxes, 1));
        CHECK(static_cast<std::int64_t>(samples[0].size()) == fragment.duration);
        if (has_sound(plan, fragment))
          CHECK(std::any_of(samples[0].begin(), samples[0].end(), [](float x) { return std::abs(x) > 0.001F; }));
      }
    }
    CHECK(track.rendition.codecs.starts_with(video ? "avc1." : "mp4a.40.2"));
  }
  CHECK(poster_cell(plan, made.analysis.segments).has_value() == plan.source.video.has_value());
}

reference look_at(const std::filesystem::path& clip, bool numbered) {
  reference out;
  const auto start = clips::output_of(
      fmt::format("ffprobe -v error -show_entries format=start_time -of default=nk=1:nw=1 '{}'", clip.string()));
  out.start = start.starts_with("N/A") ? 0 : std::stod(start);
  std::istringstream lines(clips::output_of(fmt::format(
      "ffprobe -v quiet -select_streams v:0 -show_entries frame=best_effort_timestamp_time -of default=nk=1:nw=1 '{}'",
      clip.string())));
  for (std::string line; std::getline(lines, line);)
    if (line == "N/A" && out.times.size() > 1) // AVI does not know when its last frame is shown
      out.times.push_back(2 * out.times.back() - out.times[out.times.size() - 2]);
    else if (!line.empty() && line != "N/A")
      out.times.push_back(std::stod(line));
  if (!numbered || out.times.empty())
    return out;
  // Square, so that nothing needs to be known of the source's own shape; ffmpeg turns it upright.
  constexpr int side = 144;
  const auto raw = clips::output_of(fmt::format("ffmpeg -v quiet -nostdin -i '{}' -map 0:v:0 -fps_mode passthrough -vf "
                                                "scale={}:{} -pix_fmt yuv420p -f rawvideo -",
                                                clip.string(), side, side));
  constexpr std::size_t size = side * side * 3 / 2;
  for (std::size_t at = 0; at + size <= raw.size(); at += size) {
    player::picture picture;
    picture.width = picture.height = side;
    picture.y.assign(raw.begin() + static_cast<std::ptrdiff_t>(at),
                     raw.begin() + static_cast<std::ptrdiff_t>(at + side * side));
    out.numbers.push_back(player::frame_number(picture));
  }
  REQUIRE(out.numbers.size() == out.times.size());
  return out;
}

void check_frames(const movie& made, const reference& expected) {
  const auto& plan = made.analysis.plan;
  const auto zero = static_cast<double>(plan.source.start_time) / 1e6;
  // Time zero is the container's, or the first frame's where there is no audio to stay in step with.
  CHECK(zero
        == Approx(plan.source.audio ? std::min(expected.start, expected.times.front()) : expected.times.front())
               .margin(1e-5));
  for (const auto& track : made.tracks) {
    if (track.rendition.kind != media_kind::video)
      continue;
    INFO(track.rendition.name);
    std::vector<double> times;
    std::vector<int> numbers;
    for (const auto& fragment : track.fragments)
      for (const auto& picture : player::decode_video(track.init, player::parse(fragment.bytes))) {
        times.push_back(static_cast<double>(picture.pts) / plan.timescale);
        numbers.push_back(player::frame_number(picture));
      }
    REQUIRE(times.size() == expected.times.size());
    std::size_t worst = 0;
    const auto error = [&](std::size_t i) { return std::abs(times[i] - (expected.times[i] - zero)); };
    for (std::size_t i = 1; i < times.size(); ++i)
      worst = error(i) > error(worst) ? i : worst;
    INFO("frame " << worst << " is at " << times[worst] << " s");
    CHECK(error(worst) < 0.001);
    if (!expected.numbers.empty())
      CHECK(numbers == expected.numbers);
  }
}

movie check(const std::filesystem::path& clip, const reference& expected, const encode_settings& settings) {
  INFO(clip.filename().string());
  const auto source = open_file(clip);
  REQUIRE(source);
  auto made = encode(**source, settings);
  check_fragments(made);
  if (made.analysis.plan.source.video)
    check_frames(made, expected);
  check_order_makes_no_difference(**source, made, settings);
  return made;
}

movie check(const std::filesystem::path& clip, bool numbered) {
  return check(clip, look_at(clip, numbered));
}

} // namespace movie
