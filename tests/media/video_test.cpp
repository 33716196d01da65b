#include "clips.hpp"
#include "media/analyze.hpp"
#include "media/av.hpp"
#include "media/segment_encoder.hpp"
#include "media/video_encoder.hpp"
#include "movie.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

using namespace vp::media;

namespace {

const std::string x264 = "-c:v libx264 -preset veryfast";

std::string pictures(int width = 320, int height = 180, const std::string& rate = "25", int frames = 225) {
  return "-f lavfi -i \"" + clips::numbered(width, height, rate, frames) + "\"";
}

analysis analyzed(byte_source& source, const encode_settings& settings = {}) {
  auto made = analyze(source, settings, interrupt());
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  return std::move(*made);
}

/// The fragments of some renditions, by segment and rendition.
using fragments = std::map<std::pair<std::uint32_t, std::string>, std::vector<unsigned char>>;

struct run {
  fragments made;
  std::uint64_t decoded = 0;
};

void encode_cell(segment_encoder& encoder, const segment& cell, const std::vector<std::string>& renditions, run& into) {
  auto made = encoder.encode(cell, renditions, interrupt());
  INFO((made ? "" : made.error().text));
  REQUIRE(made);
  for (auto& fragment : *made)
    into.made[{fragment.segment, fragment.rendition}] = std::move(fragment.bytes);
}

/// By one encoder, in order.
run encode_in_order(byte_source& source, const analysis& of, const std::vector<std::string>& renditions,
                    bool decodes_ahead = false) {
  run made;
  auto encoder = segment_encoder::open(source, of.plan, decodes_ahead);
  REQUIRE(encoder);
  for (const auto& cell : of.segments)
    encode_cell(**encoder, cell, renditions, made);
  made.decoded = (*encoder)->decoded_frames();
  return made;
}

/// Each segment by an encoder of its own, in random order.
run encode_apart(byte_source& source, const analysis& of, const std::vector<std::string>& renditions,
                 bool decodes_ahead = false) {
  run made;
  auto cells = of.segments;
  std::shuffle(cells.begin(), cells.end(), std::mt19937(3));
  for (const auto& cell : cells) {
    auto encoder = segment_encoder::open(source, of.plan, decodes_ahead);
    REQUIRE(encoder);
    encode_cell(**encoder, cell, renditions, made);
    made.decoded += (*encoder)->decoded_frames();
  }
  return made;
}

const rendition& named(const analysis& of, const std::string& name) {
  const auto it =
      std::find_if(of.plan.renditions.begin(), of.plan.renditions.end(), [&](const auto& r) { return r.name == name; });
  REQUIRE(it != of.plan.renditions.end());
  return *it;
}

const std::vector<unsigned char>& init_of(const analysis& of, const std::string& id) {
  const auto it = std::find_if(of.inits.begin(), of.inits.end(), [&](const auto& i) { return i.rendition == id; });
  REQUIRE(it != of.inits.end());
  return it->bytes;
}

std::unique_ptr<byte_source> opened(const std::filesystem::path& path) {
  auto source = open_file(path);
  REQUIRE(source);
  return std::move(*source);
}

std::vector<player::picture> decoded(const analysis& of, const std::string& id,
                                     const std::vector<unsigned char>& bytes) {
  return player::decode_video(init_of(of, id), player::parse(bytes));
}

/// How much a row differs from the mean of those above and below: large where two fields show different moments.
double combing(const player::picture& picture) {
  double sum = 0;
  const auto width = static_cast<std::size_t>(picture.width);
  for (std::size_t y = 1; y + 1 < static_cast<std::size_t>(picture.height); ++y)
    for (std::size_t x = 0; x < width; ++x) {
      const int above = picture.y[(y - 1) * width + x], here = picture.y[y * width + x],
                below = picture.y[(y + 1) * width + x];
      const int product = (above - here) * (below - here);
      sum += std::max(0, product - 100);
    }
  return sum / picture.width / picture.height;
}

/// The mean of a rectangle of samples, in parts of the plane's width and height.
double mean(const std::vector<unsigned char>& plane, int width, int height, double left, double top, double right,
            double bottom) {
  double sum = 0, count = 0;
  for (int y = static_cast<int>(top * height); y < static_cast<int>(bottom * height); ++y)
    for (int x = static_cast<int>(left * width); x < static_cast<int>(right * width); ++x, ++count)
      sum += plane[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  return sum / count;
}

/// The luma and chroma of a picture's corner, `left` and `top` in parts of its size.
std::array<double, 3> colour_at(const player::picture& p, double left, double top) {
  const double right = left + 0.05, bottom = top + 0.05;
  return {mean(p.y, p.width, p.height, left, top, right, bottom),
          mean(p.u, (p.width + 1) / 2, (p.height + 1) / 2, left, top, right, bottom),
          mean(p.v, (p.width + 1) / 2, (p.height + 1) / 2, left, top, right, bottom)};
}

/// The bytes of a second of moving noise.
std::vector<unsigned char> encoded(const plan& plan, const rendition& rendition, const std::string& more = {}) {
  auto encoder = video_encoder::open(plan, rendition, {}, more);
  REQUIRE(encoder);
  std::mt19937 random(1);
  std::vector<unsigned char> noise(512);
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<unsigned char>(random() % 40); });
  const auto frame = make_frame();
  frame->width = rendition.width;
  frame->height = rendition.height;
  frame->format = AV_PIX_FMT_YUV420P;
  for (int i = 0; i < 25; ++i) {
    REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
    for (int plane = 0; plane < 3; ++plane)
      for (int y = 0; y < (plane == 0 ? rendition.height : rendition.height / 2); ++y)
        for (int x = 0; x < (plane == 0 ? rendition.width : rendition.width / 2); ++x)
          frame->data[plane][y * frame->linesize[plane] + x] = static_cast<unsigned char>(
              (x * 3 + i * 5) % 160 + y % 50 + noise[static_cast<std::size_t>(x * 7 + y * 31 + i * 3) % 512]);
    frame->pts = i * 512;
    REQUIRE((*encoder)->push(*frame));
    av_buffer_unref(&frame->buf[0]);
    av_buffer_unref(&frame->buf[1]);
    av_buffer_unref(&frame->buf[2]);
  }
  auto samples = (*encoder)->finish(25 * 512);
  REQUIRE(samples);
  std::vector<unsigned char> bytes;
  for (const auto& sample : *samples)
    bytes.insert(bytes.end(), sample.data.begin(), sample.data.end());
  return bytes;
}

} // namespace

TEST_CASE("the film clip: every frame, and the same bytes in any order") {
  const char* path = std::getenv("VIDPIPELINE_CLIP");
  if (!path) {
    WARN("skipped: VIDPIPELINE_CLIP names no film clip");
    return;
  }
  const auto source = opened(path);
  const auto film = analyzed(*source);
  CHECK(film.plan.source.mime_type == "video/mp4");
  CHECK(film.plan.frame_rate == rational{24, 1});
  CHECK(film.segments.size() == 9);
  std::vector<std::string> names;
  for (const auto& rendition : film.plan.renditions)
    names.push_back(rendition.name);
  CHECK(names == std::vector<std::string>{"1080p", "720p", "480p", "360p", "144p", "audio"});

  // The smallest two, which are made from all the others' pictures.
  const std::vector<std::string> renditions{named(film, "360p").id, named(film, "144p").id};
  const auto in_order = encode_in_order(*source, film, renditions);
  const auto apart = encode_apart(*source, film, renditions);
  CHECK(in_order.decoded <= 720 * 11 / 10);
  CHECK(apart.decoded > 1000); // so it did seek: closed groups are up to ten seconds long
  CHECK((in_order.made == apart.made));
  for (const auto& id : renditions) {
    std::int64_t next = 0;
    std::size_t count = 0;
    for (const auto& cell : film.segments) {
      const auto& bytes = in_order.made.at({cell.number, id});
      for (const auto& picture : decoded(film, id, bytes)) {
        CHECK(picture.pts == next);
        next += film.plan.timescale / 24;
        ++count;
      }
    }
    CHECK(count == 720);
  }
}

TEST_CASE("a rendition's bytes do not depend on which others are made") {
  const auto source = opened(clips::make("ladder.mp4", pictures(854, 480, "25", 75) + " " + x264));
  const auto made = analyzed(*source);
  REQUIRE(made.plan.renditions.size() == 3);
  const auto all = encode_in_order(*source, made, {});
  CHECK(all.made.size() == 3 * made.segments.size());
  for (const auto& rendition : made.plan.renditions) {
    const auto alone = encode_in_order(*source, made, {rendition.id});
    CHECK(alone.made.size() == made.segments.size());
    for (const auto& [key, bytes] : alone.made)
      CHECK((bytes == all.made.at(key)));
  }
}

TEST_CASE("who decodes ahead makes the same bytes, and decodes the same frames") {
  const auto in = GENERATE(as<std::string>{}, "-bf 3 -g 60", "-vf setfield=tff,interlace=lowpass=0 -flags +ildct+ilme",
                           "-x264-params open-gop=1:bframes=3 -g 30");
  const auto source = opened(clips::make("ahead.mkv", pictures() + " " + x264 + " " + in));
  const auto made = analyzed(*source);
  REQUIRE(made.segments.size() >= 2);
  const auto in_order = encode_in_order(*source, made, {});
  const auto ahead = encode_in_order(*source, made, {}, true);
  CHECK((ahead.made == in_order.made));
  CHECK(ahead.decoded == in_order.decoded);
  CHECK((encode_apart(*source, made, {}, true).made == in_order.made));
}

TEST_CASE("a rendition that the plan does not have is refused") {
  const auto source = opened(clips::make("ladder.mp4", pictures(854, 480, "25", 75) + " " + x264));
  const auto made = analyzed(*source);
  auto encoder = segment_encoder::open(*source, made.plan);
  REQUIRE(encoder);
  const std::vector<std::string> unknown{"720p-00000000"};
  const auto refused = (*encoder)->encode(made.segments.front(), unknown, interrupt());
  REQUIRE(!refused);
  CHECK(refused.error().code == vp::errc::invalid_request);
}

TEST_CASE("an encoder that this machine lacks gives way to x264, with a warning") {
  const auto source = opened(clips::make("ladder.mp4", pictures(854, 480, "25", 75) + " " + x264));
  for (const std::string wanted : {"no_such_encoder", "mpeg4", "h264_nvenc"}) {
    encode_settings settings;
    settings.encoder = wanted;
    const auto made = analyzed(*source, settings);
    INFO(wanted);
    CHECK(made.plan.renditions.front().encoder == "libx264");
    REQUIRE(made.plan.source.warnings.size() == 1);
    CHECK(made.plan.source.warnings.front().find(wanted) != std::string::npos);
    CHECK(encode_in_order(*source, made, {}).made == encode_in_order(*source, analyzed(*source), {}).made);
  }
}

TEST_CASE("`auto` finds an encoder, and names it in the plan") {
  const auto source = opened(clips::make("ladder.mp4", pictures(854, 480, "25", 75) + " " + x264));
  const auto made = analyzed(*source);
  CHECK(made.plan.source.warnings.empty());
  const auto& encoder = made.plan.renditions.front().encoder;
  CHECK((encoder == "libx264" || encoder == "h264_videotoolbox"));
  CHECK(made.plan.renditions.front().codecs.substr(0, 5) == "avc1.");
}

TEST_CASE("the same bytes whatever the processor can do") {
  const auto turned = [](const std::filesystem::path& clip) {
    return clips::make("turned-for-flags.mp4", "-i '" + clip.string() + "' -c copy -metadata:s:v rotate=90");
  };
  const std::filesystem::path kinds[] = {
      clips::make("colour.mp4", pictures(426, 240, "25", 50) + " -vf format=yuv444p10 " + x264),
      // Raw, of the top rung's own size.
      clips::make("yuyv.avi", pictures(320, 180, "25", 10) + " -vf format=yuyv422 -c:v rawvideo"),
      clips::make("uyvy.avi", pictures(320, 180, "25", 10) + " -vf format=uyvy422 -c:v rawvideo -vtag UYVY"),
      clips::make("fields-for-flags.mpg", "-f lavfi -i \"testsrc2=s=360x288:r=50:d=1\" -vf interlace=lowpass=off -c:v "
                                          "mpeg2video -q:v 2 -bf 2 -flags +ildct+ilme"),
      turned(clips::make("for-flags.mp4", pictures(426, 240, "25", 25) + " " + x264)),
      clips::make("hdr-for-flags.mp4",
                  pictures(426, 240, "25", 10)
                      + " -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast -x265-params "
                        "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
  };
  for (const auto& clip : kinds)
    DYNAMIC_SECTION(clip.filename().string()) {
      // In processes of their own: some routines are chosen once.
      const auto made_with = [&](const std::string& flags) {
        return clips::output_of(fmt::format("'{}' '{}' {}", VIDPIPELINE_MEDIA_PROBE, clip.string(), flags));
      };
      const auto with_all = made_with("");
      INFO(with_all);
      CHECK(with_all.starts_with("good"));
      CHECK(with_all == made_with("0"));
    }
}

TEST_CASE("x264 makes the same bytes whatever the processor can do") {
  const auto source = opened(clips::make("for-flags.mp4", pictures(426, 240, "25", 25) + " " + x264));
  const auto made = analyzed(*source);
  const auto& rendition = made.plan.renditions.front();
  const auto best = encoded(made.plan, rendition);
  CHECK((encoded(made.plan, rendition, "asm=0") == best));
  CHECK((encoded(made.plan, rendition, "asm=sse2") == best));
  // Or this test would tell nothing.
  CHECK(
      (encoded(made.plan, rendition, "cpu-independent=0:asm=0") != encoded(made.plan, rendition, "cpu-independent=0")));
}

TEST_CASE("small rungs get a trellis, and a CRF of their own") {
  plan plan;
  plan.timescale = 12800;
  plan.frame_rate = {25, 1};
  const auto with = [&](const std::string& preset, double crf, int width, int height, const std::string& more = {}) {
    plan.preset = preset;
    plan.crf = crf;
    rendition rung;
    rung.encoder = "libx264";
    rung.width = width;
    rung.height = height;
    rung.bitrate = 50'000'000; // so that no limit of the rate is met
    return encoded(plan, rung, more);
  };
  const auto trellis = [&](const std::string& preset, int width, int height) {
    const auto usual = with(preset, 21, width, height);
    for (const int level : {0, 1, 2})
      if (with(preset, 21, width, height, fmt::format("trellis={}", level)) == usual)
        return level;
    return -1;
  };
  CHECK(trellis("veryfast", 1280, 720) == 0);
  CHECK(trellis("veryfast", 854, 480) == 1);
  CHECK(trellis("veryfast", 480, 854) == 1); // upright
  CHECK(trellis("veryfast", 256, 144) == 1);
  CHECK(trellis("superfast", 256, 144) == 1);
  CHECK(trellis("ultrafast", 256, 144) == 0); // for whoever wants nothing but speed
  CHECK(trellis("slower", 256, 144) == 2);    // which is better still

  CHECK(rung_crf(21, 720) == 21);
  CHECK(rung_crf(21, 480) == Approx(20.8));
  CHECK(rung_crf(21, 360) == Approx(21.2));
  CHECK(rung_crf(21, 144) == 21);
  CHECK(rung_crf(1, 480) == 1); // not lossless
  CHECK(rung_crf(0, 360) == 0);
  // It is what is encoded with.
  CHECK((with("veryfast", 1.2, 854, 480) == with("veryfast", 1, 854, 480)));
  CHECK((with("veryfast", 1.2, 1280, 720) != with("veryfast", 1, 1280, 720)));
}

TEST_CASE("pictures that are lost to a clock that jumps back are told") {
  auto bytes = clips::read_file(clips::make("to-be-repeated.ts", pictures() + " " + x264));
  const auto whole = bytes;
  bytes.insert(bytes.end(), whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 188 / 2 * 188));
  clips::memory_source source(bytes);
  const auto made = analyzed(source);
  REQUIRE(made.plan.source.warnings.size() == 1);
  CHECK(made.plan.source.warnings.front().find("clock jumps back") != std::string::npos);
}

TEST_CASE("the rendition ids stand for the bytes of the source") {
  auto bytes = clips::read_file(clips::make("raw.avi", pictures(64, 64, "5", 3) + " -c:v rawvideo -pix_fmt yuv420p"));
  const auto id_of = [](const std::vector<unsigned char>& source) {
    clips::memory_source memory(source);
    return analyzed(memory).plan.renditions.front().id;
  };
  const auto id = id_of(bytes);
  CHECK(id == id_of(bytes));
  bytes[bytes.size() - 3000] ^= 1; // one bit of one picture, in a file of the same size
  CHECK(id != id_of(bytes));
}

TEST_CASE("damage in the middle costs some frames, and is the same in any order") {
  auto bytes = clips::read_file(
      clips::make("damage.ts", pictures() + " " + x264 + " -x264-params keyint=50:min-keyint=50:scenecut=0:bframes=2"));
  std::mt19937 random(11);
  for (std::size_t at = bytes.size() / 4; at < bytes.size() / 2; at += 997)
    bytes[at] = static_cast<unsigned char>(random());
  clips::memory_source source(bytes);
  const auto made = analyzed(source);
  REQUIRE(made.segments.size() >= 3);
  const auto in_order = encode_in_order(source, made, {});
  CHECK(in_order.made.size() == made.segments.size() * made.plan.renditions.size());
  CHECK((in_order.made == encode_apart(source, made, {}).made));
  CHECK((in_order.made == encode_in_order(source, made, {}, true).made));
  CHECK((in_order.made == encode_apart(source, made, {}, true).made));
  // Every fragment is whole, and they abut.
  const auto& id = made.plan.renditions.front().id;
  for (const auto& cell : made.segments) {
    const auto fragment = player::parse(in_order.made.at({cell.number, id}));
    CHECK(fragment.start == cell.start);
    CHECK(fragment.end() == cell.end);
    CHECK(!player::decode_video(init_of(made, id), fragment).empty());
  }
}

TEST_CASE("a segment all of whose frames are lost shows the nearest one") {
  const auto source = opened(clips::make("numbered.mp4", pictures(320, 180, "25", 100) + " " + x264));
  const auto made = analyzed(*source);
  const auto& id = made.plan.renditions.front().id;
  const std::int64_t frame = made.plan.timescale / 25;
  const auto decodes_ahead = GENERATE(false, true);
  const auto number_in = [&](std::int64_t start, std::int64_t end) {
    segment cell;
    cell.start = start;
    cell.end = end;
    cell.frames = 5; // says the plan, and there are none
    run into;
    auto encoder = segment_encoder::open(*source, made.plan, decodes_ahead);
    REQUIRE(encoder);
    encode_cell(**encoder, cell, {id}, into);
    const auto shown = decoded(made, id, into.made.at({0, id}));
    REQUIRE(shown.size() == 1);
    CHECK(shown.front().pts == start);
    return player::frame_number(shown.front());
  };
  CHECK(number_in(40 * frame + 1, 41 * frame) == 41); // between two frames: the next
  CHECK(number_in(200 * frame, 210 * frame) == 99);   // behind the end: the last
}

TEST_CASE("interlaced pictures are deinterlaced, each from its neighbours") {
  const auto moving =
      std::string("-f lavfi -i \"testsrc2=s=720x576:r=50:d=5\" -vf \"interlace=scan=tff:lowpass=off\" ");
  const auto clip = clips::make("fields.ts", moving + "-c:v mpeg2video -q:v 2 -bf 2 -flags +ildct+ilme");
  const auto source = opened(clip);
  const auto made = analyzed(*source);
  REQUIRE(made.plan.source.video);
  CHECK(made.plan.source.video->interlaced);
  const auto& id = named(made, "576p").id;
  const auto in_order = encode_in_order(*source, made, {id});
  CHECK((in_order.made == encode_apart(*source, made, {id}).made));

  // The same with the fields left as they are.
  auto as_they_are = made;
  as_they_are.plan.source.video->interlaced = false;
  const auto combed = encode_in_order(*source, as_they_are, {id});
  std::size_t count = 0;
  for (const auto& cell : made.segments) {
    const auto clean = decoded(made, id, in_order.made.at({cell.number, id}));
    const auto raw = decoded(made, id, combed.made.at({cell.number, id}));
    CHECK(clean.size() == cell.frames);
    CHECK(combing(clean.front()) < combing(raw.front()) / 2);
    CHECK(combing(clean.back()) < combing(raw.back()) / 2);
    count += clean.size();
  }
  CHECK(count == 125);
}

TEST_CASE("interlaced pictures may change their size") {
  const auto part = [](const std::string& size, int offset) {
    return clips::read_file(clips::make(
        "fields-" + size + ".ts", "-f lavfi -i \"testsrc2=s=" + size
                                      + ":r=50:d=3\" -vf interlace=lowpass=off -c:v mpeg2video -q:v 3 -bf 2 -g 12 "
                                        "-flags +ildct+ilme -output_ts_offset "
                                      + std::to_string(offset)));
  };
  auto bytes = part("360x288", 10);
  const auto more = part("480x288", 13);
  bytes.insert(bytes.end(), more.begin(), more.end());
  clips::memory_source source(bytes);
  const auto made = analyzed(source);
  REQUIRE(made.plan.source.video->interlaced);
  const auto& id = made.plan.renditions.front().id;
  const auto in_order = encode_in_order(source, made, {id});
  CHECK((in_order.made == encode_apart(source, made, {id}).made));
  std::size_t count = 0;
  for (const auto& cell : made.segments)
    count += decoded(made, id, in_order.made.at({cell.number, id})).size();
  CHECK(count >= 149); // the decoder itself drops the one that it holds back when the size changes
}

TEST_CASE("HDR looks like SDR of the same scene") {
  const auto linear =
      std::string("-vf \"format=gbrp,setparams=color_primaries=bt709:color_trc=bt709:colorspace=gbr:range=pc,"
                  "zscale=t=linear:npl=100,format=gbrpf32le,");
  const auto hdr = linear + "zscale=p=bt2020:t=smpte2084:m=bt2020nc:r=tv:npl=100,format=yuv420p10le\" "
                   + "-c:v libx265 -preset ultrafast -x265-params "
                     "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
  const auto clip = clips::make("hdr.mp4", pictures(640, 360, "25", 30) + " " + hdr);
  const auto source = opened(clip);
  const auto made = analyzed(*source);
  REQUIRE(made.plan.source.video);
  CHECK(made.plan.source.video->hdr);
  const auto& id = named(made, "360p").id;
  const auto frames = decoded(made, id, encode_in_order(*source, made, {id}).made.at({0, id}));
  REQUIRE(frames.size() == 30);
  for (std::size_t i = 0; i < frames.size(); ++i)
    CHECK(player::frame_number(frames[i]) == static_cast<int>(i));
  CHECK(player::corners(frames.front()).substr(0, 3) == "rgb");
  // Neutral stays neutral, as far as the source's encoder kept it so. A white of 100 nits is half of paper white, and
  // stays below the maximum.
  const auto white = colour_at(frames.front(), 0.05, 0.9);
  CHECK(white[0] > 150);
  CHECK(white[0] < 225);
  CHECK(white[1] == Approx(128).margin(8));
  CHECK(white[2] == Approx(128).margin(8));
  const auto black = colour_at(frames.front(), 0.3, 0.3);
  CHECK(black[0] < 22);
}

TEST_CASE("full range becomes limited, and colours stay what they are") {
  struct kind {
    const char* name;
    const char* options;
  };
  constexpr kind kinds[] = {
      {"limited.mp4", "-vf scale=out_range=tv:out_color_matrix=bt709,format=yuv420p -color_range tv -colorspace bt709"},
      {"full.mp4", "-vf scale=out_range=pc:out_color_matrix=bt709,format=yuvj420p -color_range pc -colorspace bt709"},
      {"rgb.mp4", "-vf format=gbrp -c:v libx264rgb"},
      {"bt601.mp4",
       "-vf scale=out_range=tv:out_color_matrix=bt601,format=yuv420p -color_range tv -colorspace smpte170m"}};
  const auto scene = std::string("-f lavfi -i \"color=white:s=320x180:r=25:d=1,format=gbrp,"
                                 "drawbox=x=160:w=160:h=180:c=black:t=fill\" ");
  for (const auto& it : kinds) {
    INFO(it.name);
    const auto source = opened(clips::make(it.name, scene + x264 + " " + it.options));
    const auto made = analyzed(*source);
    const auto& id = made.plan.renditions.front().id;
    const auto frames = decoded(made, id, encode_in_order(*source, made, {id}).made.at({0, id}));
    CHECK(colour_at(frames.front(), 0.1, 0.5)[0] == Approx(235).margin(2));
    CHECK(colour_at(frames.front(), 0.9, 0.5)[0] == Approx(16).margin(2));
    CHECK(colour_at(frames.front(), 0.1, 0.5)[1] == Approx(128).margin(2));
  }
}

TEST_CASE("the poster is a bright picture, upright, at most 640 wide") {
  const auto poster = [](byte_source& source) {
    const auto made = analyzed(source);
    const auto number = poster_cell(made.plan, made.segments);
    REQUIRE(number);
    const auto encoder = segment_encoder::open(source, made.plan);
    REQUIRE(encoder);
    const auto only = (*encoder)->encode(made.segments[*number], std::vector<std::string>{poster_id}, {});
    REQUIRE(only);
    REQUIRE(only->size() == 1);
    CHECK(only->front().rendition == poster_id);
    return only->front().bytes;
  };
  const auto jpeg_size = [](const std::vector<unsigned char>& bytes) {
    const vp::test::temporary_folder folder;
    clips::write_file(folder / "poster.jpg", bytes);
    return clips::output_of("ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 "
                            + (folder / "poster.jpg").string());
  };
  const auto brightness = [](const std::vector<unsigned char>& bytes) {
    const vp::test::temporary_folder folder;
    clips::write_file(folder / "poster.jpg", bytes);
    const auto grey = clips::output_of("ffmpeg -v error -i " + (folder / "poster.jpg").string()
                                       + " -vf scale=1:1:flags=area,format=gray -f rawvideo -");
    REQUIRE(grey.size() == 1);
    return static_cast<int>(static_cast<unsigned char>(grey[0]));
  };
  SECTION("wide") {
    const auto source =
        opened(clips::make("wide.mp4", pictures(1280, 720, "25", 50) + " -c:v libx264 -preset ultrafast"));
    CHECK(jpeg_size(poster(*source)) == "mjpeg,640,360\n");
  }
  SECTION("small, with wide pixels") {
    const auto source =
        opened(clips::make("anamorphic.mp4", pictures(360, 288, "25", 50) + " -vf setsar=16/15 " + x264));
    CHECK(jpeg_size(poster(*source)) == "mjpeg,384,288\n");
  }
  SECTION("dark at first") {
    const auto source =
        opened(clips::make("dark.mp4", "-f lavfi -i \"testsrc2=s=320x180:r=25:d=20,eq=brightness=-1:enable='lt(t,4)'\" "
                                           + x264 + " -g 250"));
    CHECK(brightness(poster(*source)) > 60);
  }
  SECTION("all dark") {
    const auto source = opened(clips::make("black.mp4", "-f lavfi -i \"color=black:s=320x180:r=25:d=3\" " + x264));
    CHECK(jpeg_size(poster(*source)) == "mjpeg,320,180\n");
  }
}

TEST_CASE("whoever stops the work is obeyed") {
  const auto source = opened(clips::make("numbered.mp4", pictures(320, 180, "25", 100) + " " + x264));
  const auto made = analyzed(*source);
  interrupt stop;
  stop.raise();
  const auto stopped = analyze(*source, {}, stop);
  REQUIRE(!stopped);
  CHECK(stopped.error().code == vp::errc::cancelled);
  auto encoder = segment_encoder::open(*source, made.plan);
  REQUIRE(encoder);
  const auto cancelled = (*encoder)->encode(made.segments.front(), {}, stop);
  REQUIRE(!cancelled);
  CHECK(cancelled.error().code == vp::errc::cancelled);
  auto late = segment_encoder::open(*source, made.plan);
  REQUIRE(late);
  const auto too_late = (*late)->encode(made.segments.front(), {}, interrupt(std::chrono::nanoseconds(1)));
  REQUIRE(!too_late);
  CHECK(too_late.error().code == vp::errc::timed_out);
}

TEST_CASE("a source that cannot be read ends with the reader's error") {
  class failing final : public byte_source {
  public:
    explicit failing(byte_source& from) : from_(from) {}
    std::uint64_t size() const noexcept override { return from_.size(); }
    vp::result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
      if (offset + into.size() > from_.size() / 2)
        return vp::fail(vp::errc::io_failed, "the disk is on fire");
      return from_.read(offset, into);
    }

  private:
    byte_source& from_;
  };
  const auto source = opened(clips::make("read.ts", pictures() + " " + x264));
  failing half(*source);
  const auto made = analyze(half, {}, interrupt());
  REQUIRE(!made);
  CHECK(made.error().code == vp::errc::io_failed);
  CHECK(made.error().text == "the disk is on fire");
}
