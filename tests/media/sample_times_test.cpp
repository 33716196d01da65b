#include "clips.hpp"
#include "media/sample_times.hpp"
#include "media/scan.hpp"

#include <catch2/catch.hpp>

using namespace vp::media;

namespace {

const std::string x264 = "-c:v libx264 -preset veryfast -x264-params keyint=50";
const std::string tone = "-f lavfi -i \"sine=440:r=44100:d=9\"";
const std::string pictures = "-f lavfi -i \"" + clips::numbered(320, 180, "25", 225) + "\"";

/// Counts what is read.
class counting_source : public byte_source {
public:
  explicit counting_source(std::vector<unsigned char> bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  vp::result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    auto got = bytes_.read(offset, into);
    read_ += got ? *got : 0;
    return got;
  }
  std::uint64_t read_bytes() const { return read_; }

private:
  clips::memory_source bytes_;
  std::uint64_t read_ = 0;
};

/// With a box in its index that says that there is more in fragments, so that it can't be known to say all.
std::vector<unsigned char> with_fragments(std::vector<unsigned char> bytes) {
  const std::string described = "udta";
  const auto found = std::search(bytes.begin(), bytes.end(), described.begin(), described.end());
  REQUIRE(found != bytes.end());
  const std::string more = "mvex";
  std::copy(more.begin(), more.end(), found);
  return bytes;
}

/// By packets it is not known where in the file a segment is.
std::vector<segment> without_bytes(std::vector<segment> cells) {
  for (auto& cell : cells)
    cell.video_bytes = cell.audio_bytes = {};
  return cells;
}

} // namespace

TEST_CASE("an index tells what reading every packet does", "[sample_times]") {
  const auto vfr = " -vf \"select='gt(mod(n,5),0)*not(between(n,60,170))'\" -fps_mode passthrough ";
  const std::filesystem::path clip = GENERATE_COPY(
      clips::make("times.mp4", pictures + " " + tone + " " + x264 + " -bf 3"),
      clips::make("times-first.mp4", pictures + " " + tone + " " + x264 + " -movflags +faststart"),
      clips::make("times-vfr.mp4", pictures + " " + tone + vfr + x264 + " -video_track_timescale 90000"),
      clips::make("times-edited.mp4",
                  "-ss 1.3 -i {dir}/"
                      + clips::make("times.mp4", pictures + " " + tone + " " + x264 + " -bf 3").filename().string()
                      + " -c copy"),
      clips::make("times-pcm.mov", pictures + " " + tone + " " + x264 + " -c:a pcm_s16le"),
      clips::make("times-hevc.mp4", pictures + " " + tone + " -c:v libx265 -preset ultrafast -x265-params log-level=1"),
      clips::make("times.m4a", tone + " -c:a aac"),
      clips::make("times-late.m4a", "-itsoffset 1.5 " + tone + " -c:a aac"),
      clips::make("times-late.mp4", pictures + " -itsoffset 1.5 " + tone + " " + x264),
      clips::make("times-late.mov", pictures + " -itsoffset 1.5 " + tone + " " + x264 + " -c:a pcm_s16le"),
      clips::make("times-opus.mp4", pictures + " " + tone + " " + x264 + " -c:a libopus"),
      clips::make("times-vorbis.mp4", pictures + " " + tone + " " + x264 + " -c:a libvorbis"),
      clips::make("times-flac.mp4", pictures + " " + tone + " " + x264 + " -c:a flac -strict -2"),
      clips::make("times-eac3.mp4", pictures + " " + tone + " " + x264 + " -c:a eac3"));
  INFO(clip.string());
  const auto bytes = clips::read_file(clip);
  counting_source by_index(bytes);
  counting_source by_packets(with_fragments(bytes));
  REQUIRE(read_sample_times(by_index).source);
  REQUIRE_FALSE(read_sample_times(by_packets).source);
  const auto index = scan(by_index, {});
  const auto packets = scan(by_packets, {});
  REQUIRE(index);
  REQUIRE(packets);
  CHECK(without_bytes(index->segments) == without_bytes(packets->segments));
  CHECK(index->audio_anchors == packets->audio_anchors);
  CHECK(index->video_end == packets->video_end);
  CHECK(index->widest_step == packets->widest_step);
  CHECK(index->source.duration == packets->source.duration);
  CHECK(index->source.start_time == packets->source.start_time);
  // Without the index it is that of the first segment, whatever comes later.
  if (index->source.video && clip.string().find("vfr") == std::string::npos)
    CHECK(index->source.video->frame_rate == packets->source.video->frame_rate);
}

TEST_CASE("of a long film little is read to plan it", "[sample_times]") {
  counting_source film(clips::read_file(
      clips::make("long.mp4", "-f lavfi -i \"" + clips::numbered(640, 360, "25", 1500) + "\" " + x264 + " -crf 10")));
  REQUIRE(scan(film, {}));
  CHECK(film.read_bytes() < film.size() / 4);
}

TEST_CASE("an index that does not say all is not believed", "[sample_times]") {
  counting_source nothing({});
  CHECK_FALSE(read_sample_times(nothing).source);
  counting_source text({'n', 'o', ' ', 'f', 'i', 'l', 'm', '.', '.'});
  CHECK_FALSE(read_sample_times(text).source);
  counting_source fragmented(clips::read_file(
      clips::make("times-fragmented.mp4", pictures + " " + tone + " " + x264 + " -movflags frag_keyframe+empty_moov")));
  CHECK_FALSE(read_sample_times(fragmented).source);

  const auto whole = clips::read_file(clips::make("times.mp4", pictures + " " + tone + " " + x264 + " -bf 3"));
  const auto find = [&](const std::string& type) {
    return std::search(whole.begin(), whole.end(), type.begin(), type.end()) - whole.begin();
  };
  // A table that claims more entries than it has, at each place of its length; and a sample without bytes.
  for (const std::string type : {"stsz", "stco"}) {
    auto bytes = whole;
    const auto count = static_cast<std::size_t>(find(type)) + (type == "stsz" ? 12 : 8);
    bytes[count] = 0xff;
    CHECK_FALSE(read_sample_times(*std::make_unique<counting_source>(bytes)).source);
  }
  auto empty = whole;
  const auto first = static_cast<std::size_t>(find("stsz")) + 16;
  std::fill_n(empty.begin() + static_cast<std::ptrdiff_t>(first), 4, 0);
  CHECK_FALSE(read_sample_times(*std::make_unique<counting_source>(empty)).source);
}

TEST_CASE("it is known which tracks are shown in the order of their samples", "[sample_times]") {
  const auto in_order = [](const std::string& options) {
    counting_source film(clips::read_file(clips::make("order.mp4", options)));
    return read_sample_times(film).in_order;
  };
  CHECK(in_order(pictures + " " + tone + " " + x264 + " -bf 3") == std::vector{false, true});
  CHECK(in_order(tone + " " + pictures + " -map 0 -map 1 " + x264 + " -bf 3") == std::vector{true, false});
  CHECK(in_order(pictures + " " + tone + " " + x264 + " -bf 0") == std::vector{true, true});
}

TEST_CASE("another index has another digest", "[sample_times]") {
  counting_source one(clips::read_file(clips::make("times.mp4", pictures + " " + tone + " " + x264 + " -bf 3")));
  counting_source other(clips::read_file(clips::make("times.m4a", tone + " -c:a aac")));
  CHECK(read_sample_times(one).digest == read_sample_times(one).digest);
  CHECK(read_sample_times(one).digest != read_sample_times(other).digest);
}
