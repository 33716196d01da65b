#include "clips.hpp"
#include "media/mp4.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace vp::media;

namespace {

using bytes = std::vector<unsigned char>;

sample make_sample(bytes data, std::int64_t pts, std::int64_t dts, std::int64_t duration, bool key) {
  return {std::move(data), pts, dts, duration, key};
}

/// The parameters of x264's stream, with extradata of our own.
codec_parameters h264(const bytes& extradata) {
  codec_parameters out(avcodec_parameters_alloc());
  out->codec_type = AVMEDIA_TYPE_VIDEO;
  out->codec_id = AV_CODEC_ID_H264;
  out->width = 320;
  out->height = 180;
  out->extradata = static_cast<std::uint8_t*>(av_mallocz(extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  out->extradata_size = static_cast<int>(extradata.size());
  std::copy(extradata.begin(), extradata.end(), out->extradata);
  return out;
}

} // namespace

TEST_CASE("a fragment says what its samples are") {
  const std::vector<sample> samples{make_sample({1, 2, 3}, 9'000'000'000, 9'000'000'000, 40, true),
                                    make_sample({4}, 9'000'000'120, 9'000'000'040, 40, false),
                                    make_sample({5, 6}, 9'000'000'040, 9'000'000'080, 41, false)};
  const auto made = write_fragment(samples, 7);
  const auto read = player::parse(made);
  CHECK(read.sequence == 7);
  CHECK(read.start == 9'000'000'000); // more than 32 bits
  CHECK(read.end() == 9'000'000'121);
  REQUIRE(read.samples.size() == samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(read.samples[i].dts == samples[i].dts);
    CHECK(read.samples[i].pts == samples[i].pts); // before dts too
    CHECK(read.samples[i].duration == samples[i].duration);
    CHECK(read.samples[i].key == samples[i].key);
    CHECK(bytes(read.samples[i].data.begin(), read.samples[i].data.end()) == samples[i].data);
  }
}

TEST_CASE("a fragment of samples that are alike says so once") {
  std::vector<sample> samples;
  for (int i = 0; i < 100; ++i)
    samples.push_back(make_sample({static_cast<unsigned char>(i)}, 1024 * i, 1024 * i, 1024, true));
  const auto made = write_fragment(samples, 1);
  CHECK(made.size() < 100 + 24 + 120 + 100 * 4); // payload, styp, the other boxes, sizes
  const auto read = player::parse(made);
  REQUIRE(read.samples.size() == 100);
  CHECK(read.samples[99].pts == 99 * 1024);
  CHECK(read.samples[99].key);
  CHECK(read.end() == 100 * 1024);
}

TEST_CASE("every fragment begins with the same 24 bytes") {
  const auto made = write_fragment(std::vector{make_sample({1}, 0, 0, 1, true)}, 1);
  const auto head = fragment_head();
  REQUIRE(head.size() == 24);
  CHECK(std::equal(head.begin(), head.end(), made.begin()));
}

TEST_CASE("NAL units get lengths in place of start codes") {
  const bytes annex_b{0, 0, 0, 1,    0x09, 0xf0,                // access unit delimiter
                      0, 0, 0, 1,    0x06, 5,    1, 0xaa, 0x80, // supplemental information
                      0, 0, 1, 0x65, 0,    0,    3, 1,    7,    // a slice, with an escaped zero
                      0, 0, 0, 1,    0x41, 9,    0, 0};         // another, with trailing zeros
  CHECK(to_length_prefixed(annex_b) == bytes{0, 0, 0, 6, 0x65, 0, 0, 3, 1, 7, 0, 0, 0, 2, 0x41, 9});
  CHECK(to_length_prefixed({}).empty());
  CHECK(to_length_prefixed(bytes{0, 0, 1}).empty());
}

TEST_CASE("codecs are named by profile and level") {
  const auto with_start_codes = h264({0, 0, 0, 1, 0x67, 0x64, 0x00, 0x1f, 0xac, 0, 0, 0, 1, 0x68, 0xee, 0x3c});
  CHECK(is_annex_b(*with_start_codes));
  CHECK(codecs_string(*with_start_codes) == "avc1.64001f");
  const auto with_lengths = h264({1, 0x4d, 0x40, 0x28, 0xff, 0xe1, 0, 4, 0x67, 0x4d, 0x40, 0x28, 1, 0, 2, 0x68, 0xee});
  CHECK_FALSE(is_annex_b(*with_lengths));
  CHECK(codecs_string(*with_lengths) == "avc1.4d4028");

  const codec_parameters aac(avcodec_parameters_alloc());
  aac->codec_id = AV_CODEC_ID_AAC;
  CHECK(codecs_string(*aac) == "mp4a.40.2");
  aac->codec_id = AV_CODEC_ID_OPUS;
  CHECK(codecs_string(*aac).empty());
}

TEST_CASE("an init segment has the track, its timescale and no edit list") {
  const auto clip = clips::make("for-init.mp4", "-f lavfi -i testsrc2=s=320x180:d=1 -c:v libx264 -preset ultrafast");
  AVFormatContext* raw = nullptr;
  REQUIRE(avformat_open_input(&raw, clip.c_str(), nullptr, nullptr) >= 0);
  const input_context input(raw);
  const auto& parameters = *input->streams[0]->codecpar;
  const auto made = write_init_segment(parameters, 90000);
  REQUIRE(made);
  CHECK(player::timescale(*made) == 90000);
  CHECK_FALSE(player::find_box(*made, "ftyp").empty());
  CHECK_FALSE(player::find_box(*made, "moov/mvex/trex").empty());
  CHECK_FALSE(player::find_box(*made, "moov/trak/tkhd").empty());
  CHECK(player::find_box(*made, "moov/trak/edts").empty());
  CHECK(*made == *write_init_segment(parameters, 90000));
}
