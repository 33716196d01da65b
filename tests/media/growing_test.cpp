#include "clips.hpp"
#include "media/analyze.hpp"
#include "media/growing.hpp"
#include "media/index_finder.hpp"
#include "media/segment_encoder.hpp"
#include "movie.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <span>

using namespace vp::media;

namespace {

const std::string x264 = "-c:v libx264 -preset veryfast";

/// 20 seconds of numbered frames with a tone.
std::string film(const std::string& rate = "25", int frames = 500) {
  return "-f lavfi -i \"" + clips::numbered(320, 180, rate, frames) + "\" -f lavfi -i \"sine=440:r=44100:d=20\" ";
}

interrupt limit() {
  return interrupt(std::chrono::seconds(60));
}

movie::bytes beginning_of(const movie::bytes& file, double part) {
  return {file.begin(), file.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(file.size()) * part)};
}

/// What is found in the beginning of a file is the beginning of what is found in the whole, to the last byte of each
/// fragment. Answers how many segments there are of 95 hundredths of it.
std::size_t check_growing(const std::filesystem::path& clip, rational rate = {25, 1}) {
  INFO(clip.filename().string());
  const auto file = clips::read_file(clip);
  clips::memory_source whole(file);
  const auto made = movie::encode(whole);
  REQUIRE_FALSE(made.analysis.plan.grows());
  if (rate.num > 0)
    CHECK(made.analysis.plan.frame_rate == rate);
  std::size_t segments = 0;
  for (const double part : {0.02, 0.3, 0.55, 0.75, 0.95}) {
    INFO(part);
    clips::memory_source source(beginning_of(file, part));
    const auto found = analyze(source, {}, limit(), arrival::growing);
    if (!found) {
      CHECK(found.error().code == vp::errc::incomplete);
      CHECK(segments == 0);
      continue;
    }
    CHECK(found->plan.grows());
    CHECK(found->plan.seen <= source.size());
    CHECK(found->plan.renditions == made.analysis.plan.renditions);
    CHECK(found->inits == made.analysis.inits);
    REQUIRE(found->segments.size() <= made.analysis.segments.size());
    CHECK(found->segments.size() >= segments);
    segments = found->segments.size();
    REQUIRE(segments > 0);
    CHECK(std::ranges::equal(found->segments, std::span(made.analysis.segments).first(segments), &segment::same_cell));
    // The last one is the most daring.
    for (const auto number : {segments - 1, std::size_t{0}}) {
      INFO(number);
      const auto encoder = segment_encoder::open(source, found->plan);
      REQUIRE(encoder);
      const auto fragments = (*encoder)->encode(found->segments[number], {}, limit());
      REQUIRE(fragments);
      for (const auto& x : *fragments) {
        const auto& track = *std::find_if(made.tracks.begin(), made.tracks.end(),
                                          [&](const auto& t) { return t.rendition.id == x.rendition; });
        INFO(x.rendition);
        const bool same = x.bytes == track.fragments.at(number).bytes; // not to print them
        CHECK(same);
      }
    }
  }
  return segments;
}

} // namespace

TEST_CASE("the beginning of a file that grows: Matroska and WebM", "[growing]") {
  CHECK(check_growing(clips::make("growing.mkv", film() + x264 + " -g 50 -bf 3")) >= 4);
  CHECK(check_growing(
            clips::make("growing-open.mkv", film() + x264 + " -x264-params open-gop=1:keyint=48:bframes=3:scenecut=0"))
        >= 4);
  CHECK(check_growing(clips::make("growing.webm",
                                  film() + " -c:v libvpx -b:v 1M -deadline realtime -cpu-used 4 -g 60 -c:a libvorbis"))
        >= 4);
  CHECK(check_growing(clips::make("growing-9.webm", film()
                                                        + " -c:v libvpx-vp9 -b:v 1M -deadline realtime -cpu-used 6 -g "
                                                          "60 -c:a libopus"))
        >= 4);
  // As a browser records: no duration, no cues.
  CHECK(check_growing(clips::make("growing-live.webm",
                                  film() + " -c:v libvpx -b:v 1M -deadline realtime -cpu-used 4 -c:a libopus -live 1"))
        >= 4);
  CHECK(check_growing(
            clips::make("growing-vfr.mkv", film()
                                               + " -vf \"select='gt(mod(n,5),0)*not(between(n,60,170))'\" -fps_mode "
                                                 "passthrough "
                                               + x264),
            {})
        >= 3);
}

TEST_CASE("the beginning of a file that grows: transport streams", "[growing]") {
  CHECK(check_growing(clips::make("growing.ts", film() + x264 + " -g 50 -bf 2 -output_ts_offset 100")) >= 4);
  CHECK(check_growing(
            clips::make("growing-open.ts", film() + x264 + " -x264-params open-gop=1:keyint=48:bframes=3:scenecut=0"))
        >= 4);
  CHECK(check_growing(clips::make("growing-interlaced.ts",
                                  film()
                                      + " -vf setfield=tff -c:v mpeg2video -q:v 3 -flags +ildct+ilme -bf 2 -g 15 "
                                        "-c:a mp2"))
        >= 4);
}

TEST_CASE("the beginning of a file that grows: fragments", "[growing]") {
  CHECK(check_growing(clips::make("growing-fragments.mp4",
                                  film() + x264 + " -g 50 -bf 2 -movflags frag_keyframe+empty_moov+default_base_moof"))
        >= 4);
  CHECK(check_growing(clips::make("growing-fragments-2.mp4",
                                  film() + x264 + " -g 50 -movflags frag_keyframe -frag_duration 500000"))
        >= 4);
}

TEST_CASE("the beginning of a file that grows: a rate that is no whole number", "[growing]") {
  CHECK(check_growing(clips::make("growing-ntsc.mkv", film("30000/1001", 600) + x264 + " -bf 3 -g 60"), {30000, 1001})
        >= 4);
}

TEST_CASE("the beginning of a file that grows: one kind of track", "[growing]") {
  CHECK(check_growing(clips::make("growing-silent.mkv", film() + " -an " + x264 + " -g 50")) >= 4);
  CHECK(check_growing(clips::make("growing-sound.webm", film() + " -vn -c:a libopus"), {}) >= 4);
}

TEST_CASE("it is seen which files can be read while they grow", "[growing]") {
  const auto grows = [](const std::filesystem::path& clip) {
    INFO(clip.filename().string());
    const auto source = open_file(clip);
    REQUIRE(source);
    if (const auto index = find_index(**source))
      return is_fragmented(**source, *index);
    movie::bytes head = clips::read_file(clip);
    head.resize(std::min(head.size(), growing_head));
    return begins_like_growing(head);
  };
  const auto short_film = "-f lavfi -i testsrc2=s=64x64:d=1 ";
  CHECK(grows(clips::make("kind.mkv", short_film + x264)));
  CHECK(grows(clips::make("kind.webm", short_film + std::string("-c:v libvpx"))));
  CHECK(grows(clips::make("kind.ts", short_film + x264)));
  CHECK(grows(clips::make("kind.m2ts", short_film + x264 + " -mpegts_m2ts_mode 1")));
  CHECK(grows(clips::make("kind-fragments.mp4", short_film + x264 + " -movflags frag_keyframe+empty_moov")));
  CHECK_FALSE(grows(clips::make("kind.mp4", short_film + x264)));
  CHECK_FALSE(grows(clips::make("kind-fast.mov", short_film + x264 + " -movflags faststart")));
  CHECK_FALSE(grows(clips::make("kind.avi", short_film + std::string("-c:v mpeg4"))));
  CHECK_FALSE(begins_like_growing({}));
  CHECK_FALSE(begins_like_growing(movie::bytes(growing_head, 0x47 + 1)));
}
