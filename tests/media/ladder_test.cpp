#include "media/ladder.hpp"

#include <catch2/catch.hpp>

#include <sstream>

using namespace vp::media;

namespace {

/// `1080p 1920x1080 5000k, ...`
std::string described(double width, double height) {
  std::ostringstream text;
  for (const auto& rung : ladder({width, height}))
    text << (text.tellp() > 0 ? ", " : "") << rung.name << ' ' << rung.width << 'x' << rung.height << ' '
         << rung.bitrate / 1000 << 'k';
  return text.str();
}

} // namespace

TEST_CASE("the ladder goes down from the source's size") {
  CHECK(described(1920, 1080)
        == "1080p 1920x1080 5000k, 720p 1280x720 3000k, 480p 854x480 1500k, 360p 640x360 800k, 144p 256x144 200k");
  CHECK(described(1280, 720) == "720p 1280x720 3000k, 480p 854x480 1500k, 360p 640x360 800k, 144p 256x144 200k");
  CHECK(described(3840, 2160).substr(0, 21) == "1080p 1920x1080 5000k");
}

TEST_CASE("an upright picture is named by its short side too") {
  CHECK(described(1080, 1920)
        == "1080p 1080x1920 5000k, 720p 720x1280 3000k, 480p 480x854 1500k, 360p 360x640 800k, 144p 144x256 200k");
  CHECK(described(500, 500).substr(0, 12) == "480p 480x480");
}

TEST_CASE("a source between two steps has a rung of its own size on top") {
  CHECK(described(1024, 576) == "576p 1024x576 2100k, 480p 854x480 1500k, 360p 640x360 800k, 144p 256x144 200k");
  CHECK(described(720, 540).substr(0, 12) == "540p 720x540");
}

TEST_CASE("a source just above a step has none") {
  CHECK(described(853, 481).substr(0, 18) == "480p 852x480 1500k");
  CHECK(described(1300, 730).substr(0, 13) == "720p 1282x720");
}

TEST_CASE("a source below all steps has a rung of its own size") {
  CHECK(described(160, 120) == "120p 160x120 166k");
  CHECK(described(64, 48) == "48p 64x48 66k");
}

TEST_CASE("a very wide source keeps its shape") {
  CHECK(described(5760, 1080).substr(0, 41) == "768p 4096x768 3266k, 720p 3840x720 3000k,");
  CHECK(described(1080, 5760).substr(0, 13) == "768p 768x4096");
  CHECK(described(7680, 4320).substr(0, 15) == "1080p 1920x1080");
  CHECK(described(8192, 100).substr(0, 11) == "50p 4096x50");
}

TEST_CASE("a source of a few pixels is not made larger") {
  CHECK(described(8, 8).substr(0, 6) == "8p 8x8");
  CHECK(described(100, 4).substr(0, 8) == "4p 100x4");
  CHECK(described(3, 1).substr(0, 6) == "2p 2x2"); // 4:2:0 has nothing smaller
}

TEST_CASE("sizes are even, in proportion, and never above the source's") {
  for (int width = 32; width < 2200; width += 37)
    for (int height = 32; height < 2200; height += 41)
      for (const auto& rung : ladder({static_cast<double>(width), static_cast<double>(height)})) {
        INFO(width << "x" << height << " " << rung.name << " " << rung.width << "x" << rung.height);
        CHECK(rung.width % 2 == 0);
        CHECK(rung.height % 2 == 0);
        CHECK(rung.width <= width);
        CHECK(rung.height <= height);
        const double shape = static_cast<double>(width) / height;
        CHECK(rung.width >= rung.height * shape * 0.9 - 2);
        CHECK(rung.width <= rung.height * shape * 1.1 + 2);
      }
}

TEST_CASE("each rung is smaller and cheaper than the one above") {
  for (int side = 16; side < 1200; side += 7) {
    const auto rungs = ladder({side * 2.0, static_cast<double>(side)});
    REQUIRE(!rungs.empty());
    for (std::size_t i = 1; i < rungs.size(); ++i) {
      CHECK(rungs[i].height < rungs[i - 1].height);
      CHECK(rungs[i].bitrate < rungs[i - 1].bitrate);
    }
  }
}

TEST_CASE("the shown size has square pixels and is upright") {
  video_stream video;
  video.width = 720;
  video.height = 576;
  video.sample_aspect = {16, 15};
  CHECK(shown_size(video).width == Approx(768));
  CHECK(shown_size(video).height == Approx(576));
  video.rotation = 90;
  CHECK(shown_size(video).width == Approx(576));
  CHECK(shown_size(video).height == Approx(768));
  video.rotation = 180;
  CHECK(shown_size(video).width == Approx(768));
  video.sample_aspect = {1000, 1}; // no such pixels
  CHECK(shown_size(video).width == Approx(720));
}

TEST_CASE("ticks are whole for every timestamp of the source") {
  const auto check = [](rational base, std::uint32_t timescale, std::int64_t scale) {
    const auto ticks = choose_ticks(base);
    REQUIRE(ticks);
    CHECK(ticks->timescale == timescale);
    CHECK(ticks->tick_scale == scale);
    // One unit of the source is `scale` ticks, exactly.
    CHECK(base.num * ticks->timescale == scale * base.den);
  };
  check({1, 90000}, 90000, 1);
  check({1, 12288}, 12288, 1);
  check({1, 1000}, 1000, 1);
  check({1, 25}, 1000, 40);
  check({1001, 30000}, 30000, 1001);
  check({100, 2997}, 2997, 100);
  check({1, 1'000'000'000}, 1'000'000'000, 1);
  CHECK(!choose_ticks({0, 1}));
  CHECK(!choose_ticks({1, 0}));
  CHECK(!choose_ticks({1, 5'000'000'000}));
}

TEST_CASE("a rendition's id tells apart whatever changes its bytes") {
  plan made;
  made.source.video.emplace();
  made.timescale = 90000;
  made.preset = "veryfast";
  made.crf = 21;
  rendition rung;
  rung.name = "720p";
  rung.encoder = "libx264";
  rung.width = 1280;
  rung.height = 720;
  made.identity = "abc";
  const auto id = rendition_id(made, rung);
  CHECK(id.substr(0, 5) == "720p-");
  CHECK(id.size() == 13);
  CHECK(id == rendition_id(made, rung));
  auto other = made;
  other.identity = "abd";
  CHECK(id != rendition_id(other, rung));
  other = made;
  other.crf = 22;
  CHECK(id != rendition_id(other, rung));
  other = made;
  other.preset = "faster";
  CHECK(id != rendition_id(other, rung));
  auto another = rung;
  another.encoder = "h264_videotoolbox";
  CHECK(id != rendition_id(made, another));
}
