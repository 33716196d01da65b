#include "clips.hpp"
#include "media/analyze.hpp"
#include "media/segment_encoder.hpp"
#include "movie.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string_view>

namespace {

const std::string x264 = "-c:v libx264 -preset veryfast";
const std::string tone = "-f lavfi -i \"sine=440:r=44100:d=9\"";

/// `-f lavfi -i` with 9 seconds of numbered frames.
std::string pictures(int width = 320, int height = 180, const std::string& rate = "25", int frames = 225) {
  return "-f lavfi -i \"" + clips::numbered(width, height, rate, frames) + "\"";
}

player::picture first_picture(const movie::track& track) {
  return player::decode_video(track.init, player::parse(track.fragments.front().bytes)).front();
}

} // namespace

TEST_CASE("odd sources: B-frames") {
  const auto made =
      movie::check(clips::make("b-frames.mp4", pictures() + " " + tone + " " + x264
                                                   + " -x264-params bframes=3:b-adapt=0:b-pyramid=normal:keyint=100"));
  CHECK(made.analysis.segments.size() == 4);
  CHECK(player::corners(first_picture(made.largest())) == "rgbw");
}

TEST_CASE("odd sources: open groups of pictures") {
  const auto recipe = pictures() + " " + tone + " " + x264
                      + " -x264-params open-gop=1:keyint=48:min-keyint=48:bframes=3:b-adapt=0:scenecut=0";
  movie::check(clips::make("open-gop.mp4", recipe));
  movie::check(clips::make("open-gop.ts", recipe));
  movie::check(clips::make("open-gop-2.mpg", pictures() + " " + tone + " -c:v mpeg2video -bf 2 -g 15 -q:v 3"));
}

TEST_CASE("odd sources: variable frame rate") {
  const auto recipe = pictures(320, 180, "25", 275) + " " + tone
                      + " -vf \"select='gt(mod(n,5),0)*not(between(n,60,170))'\" -fps_mode passthrough " + x264;
  movie::check(clips::make("vfr.mp4", recipe + " -video_track_timescale 90000"));
  movie::check(clips::make("vfr.mkv", recipe));
}

TEST_CASE("odd sources: a phone's clip") {
  const std::filesystem::path clip = "/usr/share/forensics-samples/original-files/movie1/VID_20191220_170832.mp4";
  if (!std::filesystem::exists(clip)) {
    WARN("not installed: " << clip.string());
    return;
  }
  const auto made = movie::encode(clip); // 1080p takes long: order is looked at elsewhere
  movie::check_fragments(made);
  movie::check_frames(made, movie::look_at(clip, false));
}

TEST_CASE("odd sources: 29.97 frames a second") {
  const auto made =
      movie::check(clips::make("ntsc.mp4", pictures(320, 180, "30000/1001", 270) + " " + tone + " " + x264));
  CHECK(made.analysis.plan.frame_rate == vp::media::rational{30000, 1001});
  movie::check(clips::make("ntsc.mkv", pictures(320, 180, "30000/1001", 270) + " " + tone + " " + x264));
}

TEST_CASE("odd sources: a transport stream that starts at 100 s") {
  const auto made =
      movie::check(clips::make("late.ts", pictures() + " " + tone + " " + x264 + " -bf 2 -output_ts_offset 100"));
  CHECK(made.analysis.plan.source.start_time > 90'000'000);
}

TEST_CASE("odd sources: a stream that starts in the middle") {
  auto bytes = clips::read_file(clips::make("middle.ts", pictures() + " " + tone + " " + x264 + " -g 40 -bf 2"));
  const auto cut = bytes.size() / 3 / 188 * 188;
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
  vp::test::temporary_folder folder;
  clips::write_file(folder / "from-the-middle.ts", bytes);
  movie::check(folder / "from-the-middle.ts");
}

TEST_CASE("odd sources: an edit list") {
  const auto whole = clips::make("to-be-cut.mp4", pictures() + " " + tone + " " + x264 + " -bf 2 -g 60");
  movie::check(clips::make("edit-list.mp4", "-ss 1.3 -i '" + whole.string() + "' -c copy"));
  movie::check(clips::make("late-video.mp4", "-i '" + whole.string() + "' -itsoffset 0.7 -i '" + whole.string()
                                                 + "' -map 0:a -map 1:v -c copy"));
}

TEST_CASE("odd sources: a clock of nanoseconds") {
  // The last segment lasts 4.9 s, more ticks than 32 bits hold.
  movie::check(clips::make("nanoseconds.mp4",
                           pictures(320, 180, "10", 89) + " " + x264 + " -bf 0 -video_track_timescale 1000000000"));
}

TEST_CASE("odd sources: rotation") {
  // The picture lies on its side, and the container tells the player to turn it upright.
  const auto check = [](const std::filesystem::path& clip, int degrees, bool mirrored) {
    const auto made = movie::check(clip);
    CHECK(made.analysis.plan.source.video->rotation == degrees);
    CHECK(made.analysis.plan.source.video->mirrored == mirrored);
    CHECK(made.largest().rendition.width == 180);
    CHECK(made.largest().rendition.height == 320);
    for (const auto& track : made.tracks)
      if (track.rendition.kind == vp::media::media_kind::video)
        CHECK(player::corners(first_picture(track)) == "rgbw");
  };
  struct way {
    int degrees; ///< clockwise
    const char* lay;
    int tag; ///< as ffmpeg counts when it copies
  };
  for (const auto& [degrees, lay, tag] :
       {way{90, "transpose=cclock", 270}, {270, "transpose=clock", 90}, {180, "hflip,vflip", 180}})
    DYNAMIC_SECTION(degrees) {
      const auto lying = clips::make(fmt::format("lying-{}.mp4", degrees),
                                     pictures(180, 320) + " " + tone + " -vf " + lay + " " + x264);
      check(clips::make(fmt::format("turned-{}.mp4", degrees),
                        fmt::format("-i '{}' -c copy -metadata:s:v rotate={}", lying.string(), tag)),
            degrees, false);
    }
  SECTION("mirrored") {
    auto bytes = clips::read_file(clips::make("mirrored.mp4", pictures(180, 320) + " " + tone + " -vf hflip " + x264));
    constexpr std::string_view tkhd =
        "tkhd"; // its matrix is 44 bytes on (ISO/IEC 14496-12 8.3.2); the video's comes first
    const auto box = std::search(bytes.begin(), bytes.end(), tkhd.begin(), tkhd.end());
    REQUIRE(bytes.end() - box > 80);
    const unsigned char minus_one[] = {0xff, 0xff, 0, 0};
    std::copy(std::begin(minus_one), std::end(minus_one), box + 44);
    vp::test::temporary_folder folder;
    clips::write_file(folder / "mirrored.mp4", bytes);
    check(folder / "mirrored.mp4", 0, true);
  }
}

TEST_CASE("odd sources: more than 8 bits, more colour") {
  movie::check(clips::make("10-bit.mp4", pictures() + " " + tone + " " + x264 + " -pix_fmt yuv420p10le"));
  movie::check(clips::make("10-bit-422.mkv", pictures() + " " + tone + " " + x264 + " -pix_fmt yuv422p10le"));
  const auto made = movie::check(clips::make("hevc-10.mp4", pictures() + " " + tone
                                                                + " -c:v libx265 -preset ultrafast -x265-params "
                                                                  "log-level=none -pix_fmt yuv420p10le"));
  CHECK(player::corners(first_picture(made.largest())) == "rgbw");
}

TEST_CASE("odd sources: interlaced") {
  movie::check(clips::make("interlaced.mp4", pictures(360, 288) + " " + tone + " -vf setfield=tff " + x264
                                                 + " -flags +ildct+ilme -x264opts tff=1"));
  movie::check(
      clips::make("interlaced.mpg", pictures(360, 288) + " " + tone
                                        + " -vf setfield=bff -c:v mpeg2video -q:v 3 -flags +ildct+ilme -bf 2"));
}

TEST_CASE("odd sources: odd sizes") {
  const auto made =
      movie::check(clips::make("odd.mkv", pictures(319, 181) + " " + tone + " " + x264 + " -pix_fmt yuv444p"));
  CHECK(made.largest().rendition.width % 2 == 0);
  CHECK(made.largest().rendition.height % 2 == 0);
  movie::check(clips::make("tiny.mkv", pictures(65, 49) + " " + tone + " " + x264 + " -pix_fmt yuv444p"));
  const auto tiny =
      movie::encode(clips::make("8x8.mkv", "-f lavfi -i testsrc2=s=64x64:d=3 -vf scale=8:8 -c:v libx264 -bf 0"));
  CHECK(tiny.largest().rendition.width == 8);
  movie::check_fragments(tiny);
  movie::check(clips::make("wide.mp4", pictures(960, 96) + " " + tone + " " + x264));
}

TEST_CASE("odd sources: pixels that are not square") {
  for (const auto* name : {"wide-pixels.mp4", "wide-pixels.ts", "wide-pixels.mkv"}) {
    const auto made = movie::check(clips::make(name, pictures(240, 180) + " " + tone + " -vf setsar=4/3 " + x264));
    CHECK(made.largest().rendition.width == 320);
    CHECK(made.largest().rendition.height == 180);
  }
}

TEST_CASE("odd sources: VP8, VP9 and Theora") {
  movie::check(clips::make(
      "vp8.webm", pictures() + " " + tone
                      + " -c:v libvpx -b:v 1M -auto-alt-ref 1 -lag-in-frames 16 -deadline realtime -cpu-used 4 -c:a "
                        "libvorbis"));
  movie::check(clips::make(
      "vp9.webm", pictures() + " " + tone
                      + " -c:v libvpx-vp9 -b:v 1M -lag-in-frames 16 -deadline realtime -cpu-used 6 -c:a libopus"));
  movie::check(clips::make("theora.ogv", pictures() + " " + tone + " -c:v libtheora -q:v 7 -c:a libvorbis"));
}

TEST_CASE("odd sources: older containers") {
  movie::check(clips::make("mpeg4.avi", pictures() + " " + tone + " -c:v mpeg4 -q:v 3 -c:a libmp3lame"));
  {
    // AVI has no presentation times: ffprobe starts counting at the reordering delay, which is nothing that was ever
    // shown.
    const auto clip = clips::make("b-frames.avi", pictures() + " " + tone + " -c:v mpeg4 -q:v 3 -bf 2 -c:a libmp3lame");
    auto expected = movie::look_at(clip, true);
    for (auto& time : expected.times)
      time -= 0.04;
    movie::check(clip, expected);
  }
  movie::check(clips::make("h264.flv", pictures() + " " + tone + " " + x264 + " -bf 2 -c:a aac"));
  movie::check(clips::make("wmv2.wmv", pictures() + " " + tone + " -c:v wmv2 -q:v 3 -c:a wmav2"));
  movie::check(clips::make("fragmented.mp4",
                           pictures() + " " + tone + " " + x264 + " -bf 2 -movflags frag_keyframe+empty_moov"));
}

TEST_CASE("odd sources: sound of other kinds") {
  movie::check(clips::make("surround.mp4", pictures() + " -f lavfi -i \""
                                               + clips::tones({300, 400, 500, 60, 600, 700}, 48000, 9, "5.1") + "\" "
                                               + x264 + " -c:a aac"));
  movie::check(clips::make("mono.mp4", pictures() + " -f lavfi -i \"" + clips::tones({440}, 22050, 9, "mono") + "\" "
                                           + x264 + " -c:a aac"));
}

TEST_CASE("odd sources: video alone, audio alone") {
  const auto silent = movie::check(clips::make("silent.mp4", pictures() + " " + x264 + " -bf 2"));
  CHECK_FALSE(silent.analysis.plan.source.audio);
  for (const auto* name : {"alone.mp3", "alone.m4a", "alone.flac", "alone.wav", "alone.opus"}) {
    const auto blind = movie::check(clips::make(name, tone), false);
    CHECK_FALSE(blind.analysis.plan.source.video);
    CHECK(blind.tracks.size() == 1);
    CHECK(blind.analysis.segments.size() == 4);
    const auto& last = blind.analysis.segments.back();
    CHECK(std::abs(static_cast<double>(last.audio_end) * 1024 / 48000 - 9) < 0.08);
  }
}

TEST_CASE("odd sources: a song with a cover picture is no video") {
  const auto cover = clips::make("cover.png", pictures(320, 320, "25", 1) + " -frames:v 1");
  const auto input = tone + " -i '" + cover.string() + "' -map 0 -map 1 -c:v copy -disposition:v attached_pic";
  for (const auto* name : {"song.mp3", "song.m4a", "song.flac"}) {
    const auto song = movie::check(clips::make(name, input), false);
    CHECK_FALSE(song.analysis.plan.source.video);
    CHECK(song.tracks.size() == 1);
  }
}

TEST_CASE("odd sources: sound that is longer or shorter than the pictures") {
  const auto longer = movie::check(clips::make("longer.mp4", pictures(320, 180, "25", 100) + " " + tone + " " + x264));
  CHECK(longer.find("audio").fragments.size() > longer.largest().fragments.size());
  const auto shorter =
      movie::check(clips::make("shorter.mp4", pictures() + " -f lavfi -i \"sine=440:r=44100:d=3\" " + x264));
  CHECK(shorter.find("audio").fragments.size() == shorter.largest().fragments.size());
}

TEST_CASE("odd sources: a picture that lasts longer than its sound") {
  const clips::memory_watch memory;
  const auto made =
      movie::check(clips::make("lasting.mp4", pictures(320, 180, "1/4000", 1) + " -f lavfi -i sine=440:d=9 " + x264));
  CHECK(memory.peak() < 150);
  const auto& cells = made.analysis.segments;
  REQUIRE(cells.size() == 3); // the picture for four seconds, then sound alone
  CHECK(cells[0].end == 4 * static_cast<std::int64_t>(made.analysis.plan.timescale));
  CHECK(made.find("audio").fragments.size() == 3);
  // The last of several, too.
  const auto slides =
      movie::encode(clips::make("slides.mp4", pictures(320, 180, "1/60", 3) + " -f lavfi -i sine=440:d=150 " + x264));
  movie::check_fragments(slides);
  CHECK(memory.peak() < 150);
}

TEST_CASE("odd sources: one frame") {
  CHECK(movie::check(clips::make("one.mp4", pictures(320, 180, "25", 1) + " " + x264)).analysis.segments.size() == 1);
  movie::check(clips::make("one.webm", pictures(320, 180, "25", 1) + " -c:v libvpx"));
  movie::check(clips::make("one-with-sound.mp4", pictures(320, 180, "25", 1) + " " + tone + " " + x264));
}

TEST_CASE("odd sources: two hours at a frame a second, in constant memory") {
  constexpr int frames = 7200;
  const auto clip = clips::make("two-hours.mp4", pictures(192, 128, "1", frames)
                                                     + " -f lavfi -i sine=440:r=8000:d=7200 -c:v libx264 -preset "
                                                       "ultrafast -g 20 -bf 0 -c:a aac -b:a 8k");
  // Before anything else, so that what the scan holds counts too.
  const clips::memory_watch memory;
  const auto source = vp::media::open_file(clip);
  REQUIRE(source);
  const vp::media::interrupt limit(std::chrono::minutes(5));
  const auto analysis = vp::media::analyze(**source, {}, limit);
  REQUIRE(analysis);
  const auto& cells = analysis->segments;
  CHECK(cells.size() == 1801); // 2 s, 2 s, then 4 s
  const auto encoder = vp::media::segment_encoder::open(**source, analysis->plan);
  REQUIRE(encoder);

  std::vector<std::string> pictures_only;
  for (const auto& rendition : analysis->plan.renditions)
    if (rendition.kind == vp::media::media_kind::video)
      pictures_only.push_back(rendition.id);
  std::vector<std::int64_t> times;
  for (const auto& cell : cells) {
    const bool all = cell.number % 20 == 0; // sound takes long
    const auto made = (*encoder)->encode(cell, all ? std::vector<std::string>{} : pictures_only, limit);
    REQUIRE(made);
    REQUIRE(made->size() == analysis->plan.renditions.size() - (all ? 0 : 1));
    const auto fragment = player::parse(made->front().bytes);
    for (const auto& sample : fragment.samples)
      times.push_back(sample.pts);
    if (cell.number % 100 == 0) {
      const auto pictures = player::decode_video(analysis->inits.front().bytes, fragment);
      for (const auto& picture : pictures)
        CHECK(player::frame_number(picture) == picture.pts / analysis->plan.timescale % 4096);
    }
  }
  CHECK(memory.peak() < 60); // MB
  std::sort(times.begin(), times.end());
  REQUIRE(times.size() == frames);
  for (int i = 0; i < frames; ++i)
    REQUIRE(times[static_cast<std::size_t>(i)] == static_cast<std::int64_t>(i) * analysis->plan.timescale);
  CHECK((*encoder)->decoded_frames() <= frames * 11 / 10);
}
