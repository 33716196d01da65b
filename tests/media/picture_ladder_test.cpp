#include "media/ladder.hpp"
#include "media/picture_ladder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

using namespace vp::media;

namespace {

constexpr colour sdr{AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709, false};

frame_ptr noise(int width, int height) {
  auto frame = make_frame();
  frame->width = width;
  frame->height = height;
  frame->format = AV_PIX_FMT_YUV420P;
  frame->colorspace = sdr.matrix;
  frame->color_primaries = sdr.primaries;
  frame->color_trc = sdr.transfer;
  frame->color_range = AVCOL_RANGE_MPEG;
  REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
  std::mt19937 random(1);
  for (int plane = 0; plane < 3; ++plane)
    std::generate_n(frame->data[plane], frame->linesize[plane] * (plane == 0 ? height : height / 2),
                    [&] { return static_cast<unsigned char>(16 + random() % 200); });
  return frame;
}

bool same_luma(const AVFrame& a, const AVFrame& b) {
  if (a.width != b.width || a.height != b.height)
    return false;
  for (int y = 0; y < a.height; ++y)
    if (!std::equal(a.data[0] + y * a.linesize[0], a.data[0] + y * a.linesize[0] + a.width,
                    b.data[0] + y * b.linesize[0]))
      return false;
  return true;
}

using sources = std::vector<std::size_t>;

} // namespace

TEST_CASE("each rung is scaled from the smallest that is well above it") {
  CHECK(scaling_sources({1080, 720, 480, 360, 144}) == sources{0, 0, 1, 1, 3});
  CHECK(scaling_sources({480, 360, 144}) == sources{0, 0, 1});
  CHECK(scaling_sources({800, 720, 480, 360, 144}) == sources{0, 0, 1, 1, 3});
  CHECK(scaling_sources({718, 480, 360, 144}) == sources{0, 0, 0, 2}); // none is: from the largest
  CHECK(scaling_sources({144}) == sources{0});
  CHECK(scaling_sources({}).empty());
}

TEST_CASE("a ladder's pictures are scaled from where they should be") {
  plan plan;
  plan.timescale = 90000;
  plan.source.video.emplace();
  for (const auto& rung : ladder({1280, 720})) {
    rendition made;
    made.width = rung.width;
    made.height = rung.height;
    plan.renditions.push_back(made);
  }
  REQUIRE(plan.renditions.size() == 4);
  const auto frame = noise(1280, 720);
  auto pictures = picture_ladder(plan, sdr).run(*frame, 4);
  REQUIRE(pictures);
  const auto scaled = [](const AVFrame& from, int width, int height) {
    auto made = scaler(width, height, sdr).run(from);
    REQUIRE(made);
    return std::move(*made);
  };
  const auto& [p720, p480, p360, p144] = std::tie((*pictures)[0], (*pictures)[1], (*pictures)[2], (*pictures)[3]);
  CHECK(same_luma(*p720, *frame));
  CHECK(same_luma(*p480, *scaled(*p720, 854, 480)));
  CHECK(same_luma(*p360, *scaled(*p720, 640, 360)));
  CHECK_FALSE(same_luma(*p360, *scaled(*p480, 640, 360))); // or this test would tell nothing
  CHECK(same_luma(*p144, *scaled(*p360, 256, 144)));
}
