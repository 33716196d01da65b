#include "clips.hpp"
#include "media/analyze.hpp"
#include "media/demuxer.hpp"
#include "media/ladder.hpp"
#include "media/segment_encoder.hpp"
#include "movie.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

using namespace vp::media;

namespace {

using bytes = std::vector<unsigned char>;

encode_settings copying() {
  encode_settings settings;
  settings.copy_source = true;
  return settings;
}

/// 9 s of pictures at 25 a second, with closed groups of so many, and sound.
std::filesystem::path film(const std::string& name, int group, const std::string& more = {},
                           const std::string& filter = {}) {
  return clips::make(
      name, fmt::format("-f lavfi -i \"{}{}\" -f lavfi -i \"{}\" -c:v libx264 -preset veryfast -g {} -sc_threshold 0 "
                        "-bf 3 -b:v 200k -maxrate 300k -bufsize 300k {} -c:a aac",
                        clips::numbered(320, 180, "25", 225), filter, clips::tones({1000, 1500}, 48000, 9, "stereo"),
                        group, more));
}

analysis analyzed(const std::filesystem::path& clip, const encode_settings& settings, arrival how = arrival::whole) {
  const auto source = open_file(clip);
  REQUIRE(source);
  auto made = analyze(**source, settings, interrupt(), how);
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return std::move(*made);
}

/// The video packets of a source, in its order.
std::vector<bytes> packets(const std::filesystem::path& clip) {
  const auto source = open_file(clip);
  REQUIRE(source);
  auto opened = demuxer::open(**source, interrupt());
  REQUIRE(opened);
  const std::array streams{(*opened)->best_video()};
  (*opened)->select(streams);
  std::vector<bytes> all;
  for (auto packet = make_packet(); *(*opened)->read(*packet);)
    all.emplace_back(packet->data, packet->data + packet->size);
  return all;
}

std::vector<double> starts(const analysis& of) {
  std::vector<double> seconds;
  seconds.reserve(of.segments.size());
  for (const auto& cell : of.segments)
    seconds.push_back(static_cast<double>(cell.start) / of.plan.timescale);
  return seconds;
}

} // namespace

TEST_CASE("a source's own pictures are its largest rendition, byte for byte", "[copy]") {
  const auto [name, more] = GENERATE(table<std::string, std::string>({{"copy.mp4", ""},
                                                                      {"copy-at-the-end.mov", "-movflags -faststart"},
                                                                      {"copy-baseline.mp4", "-profile:v baseline"}}));
  const auto clip = film(name, 50, more);
  const auto made = movie::check(clip, movie::look_at(clip, true), copying());
  CHECK(made.largest().rendition.encoder == copied);
  CHECK(made.largest().rendition.width == 320);
  CHECK(made.tracks[1].rendition.encoder == "libx264");
  std::vector<bytes> samples;
  double peak = 0;
  for (const auto& fragment : made.largest().fragments) {
    std::size_t size = 0;
    for (const auto& sample : player::parse(fragment.bytes).samples) {
      samples.emplace_back(sample.data.begin(), sample.data.end());
      size += sample.data.size();
    }
    peak = std::max(peak, static_cast<double>(size) * 8 * made.analysis.plan.timescale
                              / static_cast<double>(fragment.duration));
  }
  CHECK(samples == packets(clip));
  CHECK(made.largest().rendition.bitrate == Approx(peak).margin(2));
}

TEST_CASE("all renditions are cut at the first keyframes from 2 s, 4 s, and each 4 s on", "[copy]") {
  CHECK(starts(analyzed(film("copy.mp4", 50), copying())) == std::vector<double>{0, 2, 4, 8});
  CHECK(starts(analyzed(film("copy-30.mp4", 30), copying())) == std::vector<double>{0, 2.4, 4.8});
  CHECK(starts(analyzed(film("copy-100.mp4", 100), copying())) == std::vector<double>{0, 4, 8});
  // As ever, where nothing is copied.
  CHECK(starts(analyzed(film("copy-30.mp4", 30), {})) == std::vector<double>{0, 2, 4, 8});
}

TEST_CASE("a plan that copies has other names than one that does not", "[copy]") {
  const auto clip = film("copy.mp4", 50);
  const auto with = analyzed(clip, copying());
  const auto without = analyzed(clip, {});
  REQUIRE(with.plan.renditions.size() == without.plan.renditions.size());
  for (std::size_t i = 0; i < with.plan.renditions.size(); ++i)
    CHECK(with.plan.renditions[i].id != without.plan.renditions[i].id);
  CHECK(copies(with.plan));
  CHECK_FALSE(copies(without.plan));
}

TEST_CASE("of a source that arrives the same is known", "[copy]") {
  const auto clip = film("copy.mp4", 50, "-movflags +faststart");
  const auto whole = analyzed(clip, copying());
  const auto early = analyzed(clip, copying(), arrival::arriving);
  CHECK(early.plan == whole.plan);
  CHECK(early.segments == whole.segments);
  CHECK(early.inits == whole.inits);
}

TEST_CASE("what can't be a rendition as it is, is encoded", "[copy]") {
  struct kind {
    const char* name;
    int group;
    const char* more;
    const char* filter;
  };
  const auto it = GENERATE(values<kind>({
      {"long groups.mp4", 125, "", ""},
      {"open groups.mp4", 50, "-x264-params open-gop=1", ""},
      {"ten bits.mp4", 50, "-pix_fmt yuv420p10", ""},
      {"422.mp4", 50, "-pix_fmt yuv422p", ""},
      {"interlaced.mp4", 50, "-flags +ildct+ilme", ""},
      {"full range.mp4", 50, "-pix_fmt yuvj420p", ""},
      {"wide pixels.mp4", 50, "", ",setsar=4/3"},
      {"too much.mp4", 50, "-b:v 2M -maxrate 3M -bufsize 3M", ",noise=alls=60:allf=t"},
      {"other matrix.mp4", 50, "-colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10", ""},
      {"matroska.mkv", 50, "", ""},
      {"fragments.mp4", 50, "-movflags +frag_keyframe+empty_moov", ""},
      {"mpeg4.mp4", 50, "-c:v mpeg4", ""},
      {"no first keyframe.mp4", 50, "-ss 0.5", ""},
  }));
  CAPTURE(it.name);
  // What is cut off at the front is hidden by an edit list.
  const auto clip = std::string_view{it.name} == "no first keyframe.mp4"
                        ? clips::make(it.name, fmt::format("-ss 0.5 -i '{}' -c copy", film("copy.mp4", 50).string()))
                        : film(it.name, it.group, it.more, it.filter);
  const auto made = analyzed(clip, copying());
  CHECK_FALSE(copies(made.plan));
  CHECK(made.plan == analyzed(clip, {}).plan);
}

TEST_CASE("a turned source is encoded", "[copy]") {
  const auto clip = clips::make("copy-turned.mp4",
                                fmt::format("-i '{}' -c copy -metadata:s:v rotate=90", film("copy.mp4", 50).string()));
  REQUIRE(analyzed(clip, {}).plan.source.video->rotation != 0);
  CHECK_FALSE(copies(analyzed(clip, copying()).plan));
}

TEST_CASE("only what is copied costs no decoding", "[copy]") {
  const auto clip = film("copy.mp4", 50);
  const auto of = analyzed(clip, copying());
  const auto source = open_file(clip);
  REQUIRE(source);
  const auto encoder = segment_encoder::open(**source, of.plan);
  REQUIRE(encoder);
  const std::vector<std::string> largest{of.plan.renditions.front().id};
  const auto made = (*encoder)->encode(of.segments[1], largest, interrupt());
  REQUIRE(made);
  REQUIRE(made->size() == 1);
  CHECK(made->front().rendition == largest.front());
  CHECK((*encoder)->decoded_frames() == 0);
}

TEST_CASE("parameter sets within samples may be those beside the stream", "[copy]") {
  const auto clip = film("copy-in-band.mp4", 50, "-bsf:v dump_extra");
  const auto key = packets(clip)[50];
  REQUIRE((key[4] & 0x1f) == 7);
  const auto made = movie::check(clip, movie::look_at(clip, true), copying());
  CHECK(made.largest().rendition.encoder == copied);
}

TEST_CASE("pictures that are not what the index says are found out when they are copied", "[copy]") {
  struct kind {
    const char* what;
    std::size_t packet;
    int unit;          ///< the type of the NAL unit that is changed
    std::ptrdiff_t at; ///< of its bytes, the length's four included
    unsigned char to;
    const char* told;
  };
  const auto it = GENERATE(values<kind>({
      {"a keyframe that is none", 50, 5, 4, 0x61, "at other times"},
      {"a unit without an end", 60, 1, 1, 0xff, "damaged"},
      {"a unit that ends before its sample", 60, 1, 3, 1, "damaged"},
      {"nothing but remarks", 60, 1, 4, 6, "damaged"},
      {"another parameter set", 50, 7, 9, 0xff, "parameters"},
      {"a slice in parts", 60, 1, 4, 2, "parts"},
  }));
  CAPTURE(it.what);
  const auto clip = film("copy-in-band.mp4", 50, "-bsf:v dump_extra");
  auto content = clips::read_file(clip);
  const auto sample = packets(clip)[it.packet];
  auto unit = std::search(content.begin(), content.end(), sample.begin(), sample.end());
  REQUIRE(unit != content.end());
  const auto end = unit + static_cast<std::ptrdiff_t>(sample.size());
  for (; (unit[4] & 0x1f) != it.unit; unit += 4 + (unit[0] << 24 | unit[1] << 16 | unit[2] << 8 | unit[3]))
    REQUIRE(unit < end);
  REQUIRE(unit[it.at] != it.to);
  unit[it.at] = it.to;
  clips::memory_source source{content};
  const auto of = analyze(source, copying(), interrupt());
  REQUIRE(of);
  REQUIRE(copies(of->plan));
  const auto encoder = segment_encoder::open(source, of->plan);
  REQUIRE(encoder);
  const std::vector<std::string> largest{of->plan.renditions.front().id};
  CHECK((*encoder)->encode(of->segments[0], largest, interrupt()));
  const auto refused = (*encoder)->encode(of->segments[1], largest, interrupt());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == vp::errc::not_copyable);
  CHECK_THAT(refused.error().text, Catch::Contains(it.told));
}

TEST_CASE("a segment that takes tens of megabytes is encoded", "[copy]") {
  const auto burst = [](int frames) {
    return clips::make(fmt::format("copy-burst-{}.mp4", frames),
                       fmt::format("-f lavfi -i \"color=gray:s=1920x1080:r=8:d=64,"
                                   "noise=alls=100:allf=t:enable='between(n,160,{})'\" "
                                   "-c:v libx264 -preset ultrafast -profile:v high -pix_fmt yuv420p -g 16 -qp 4",
                                   160 + frames - 1));
  };
  const auto large = burst(9);
  CHECK(std::filesystem::file_size(large) < std::size_t{64} * 7'500'000 / 8); // at a rate that is no reason
  CHECK_FALSE(copies(analyzed(large, copying()).plan));
  CHECK(copies(analyzed(burst(5), copying()).plan));
}
