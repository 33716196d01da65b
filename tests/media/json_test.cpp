#include "media/json.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <limits>

using namespace vp::media;
using nlohmann::json;

namespace {

/// Every field with a value of its own.
plan full_plan() {
  plan out;
  out.source = {
      "mov",
      "video/mp4",
      30.1,
      -33'333,
      video_stream{1, "h264", 1920, 1080, {4, 3}, 90, true, {30000, 1001}, {1, 90000}, "yuv420p10le", true, true},
      audio_stream{2, "aac", 44100, 6, {1, 44100}},
      {"the file is cut off", "grüße \"\\ \n"}};
  out.timescale = std::numeric_limits<std::uint32_t>::max();
  out.tick_scale = std::numeric_limits<std::int64_t>::max();
  out.frame_rate = {24, 1};
  out.preset = "veryfast";
  out.crf = 0.1 + 0.2;
  out.renditions = {{"720p-0123abcd", "720p", media_kind::video, "libx264", 1280, 720, 3'000'000, "avc1.64001f"},
                    {"audio-0123abcd", "audio", media_kind::audio, "aac", 0, 0, 128'000, "mp4a.40.2"}};
  out.audio_anchors = {{std::numeric_limits<std::int64_t>::min() + 1, -1024, -1, 1024}, {90'000, 44'100, 4'711, 0}};
  return out;
}

void check_wrong(const json& text, const std::string& says) {
  const auto read = plan_from_json(text.dump());
  REQUIRE_FALSE(read);
  CHECK(read.error().code == vp::errc::invalid_request);
  INFO(read.error().text);
  CHECK(read.error().text.find(says) != std::string::npos);
}

} // namespace

TEST_CASE("a plan comes back as it was") {
  const auto whole = full_plan();
  const auto read = plan_from_json(plan_to_json(whole));
  REQUIRE(read);
  CHECK(*read == whole);

  auto empty = full_plan();
  empty.source.video.reset();
  empty.source.audio.reset();
  empty.renditions.clear();
  empty.audio_anchors.clear();
  empty.source.warnings.clear();
  CHECK(plan_from_json(plan_to_json(empty)) == empty);
  CHECK(plan_from_json(plan_to_json(plan{})) == plan{});
}

TEST_CASE("a plan with text that is not UTF-8 is still written") {
  auto odd = full_plan();
  odd.source.warnings = {"\xff\xfe"};
  CHECK(plan_from_json(plan_to_json(odd)));
}

TEST_CASE("a plan with unknown fields is read all the same") {
  auto text = json::parse(plan_to_json(full_plan()));
  text["later"] = {1, 2, 3};
  text["source"]["video"]["later"] = nullptr;
  CHECK(plan_from_json(text.dump()) == full_plan());
}

TEST_CASE("a plan that misses any field is refused, with the field's name") {
  const auto whole = json::parse(plan_to_json(full_plan())).flatten();
  for (const auto& [pointer, value] : whole.items()) {
    auto text = json::parse(plan_to_json(full_plan()));
    const json::json_pointer path(pointer);
    if (text[path.parent_pointer()].is_array())
      continue;
    text[path.parent_pointer()].erase(path.back());
    check_wrong(text, "." + path.back() + " is missing");
  }
}

TEST_CASE("a plan with a field of another type is refused") {
  const auto change = [](const char* pointer, const json& value) {
    auto text = json::parse(plan_to_json(full_plan()));
    text[json::json_pointer(pointer)] = value;
    return text;
  };
  check_wrong(change("/format", 1), "plan.format is another version's");
  check_wrong(change("/timescale", "90000"), "plan.timescale is not a whole number");
  check_wrong(change("/timescale", -1), "plan.timescale is out of range");
  check_wrong(change("/timescale", 1.5), "plan.timescale is not a whole number");
  check_wrong(change("/timescale", 4294967296), "out of range");
  check_wrong(change("/tick_scale", 9223372036854775808U), "out of range");
  check_wrong(change("/crf", "21"), "plan.crf is not a number");
  check_wrong(change("/crf", nullptr), "plan.crf is not a number");
  check_wrong(change("/preset", 1), "plan.preset is not a text");
  check_wrong(change("/source/video/hdr", 1), "plan.source.video.hdr is neither true nor false");
  check_wrong(change("/source/video", json::array()), "plan.source.video is not an object");
  check_wrong(change("/renditions", json::object()), "plan.renditions is not an array");
  check_wrong(change("/renditions/1/kind", "subtitles"), "plan.renditions[1].kind");
  for (const auto* field : {"/renditions/1/id", "/renditions/1/name", "/renditions/1/codecs"})
    for (const auto& name : {std::string("../x"), std::string("/etc/x"), std::string("x\0y", 3), std::string(".."),
                             std::string("a\"b"), std::string(65, 'a')})
      check_wrong(change(field, name), "plan.renditions has a name that is none");
  check_wrong(change("/renditions/1/width", true), "plan.renditions[1].width is not a whole number");
  CHECK_FALSE(plan_from_json(""));
  CHECK_FALSE(plan_from_json("[]"));
  CHECK_FALSE(plan_from_json("{\"source\": "));
  CHECK_FALSE(plan_from_json(std::string(100'000, '[')));
}
