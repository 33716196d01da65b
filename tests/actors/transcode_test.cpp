#include "actors/catalog.hpp"
#include "actors/encoder.hpp"
#include "actors/pipeline.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <nlohmann/json.hpp>
#include <prometheus/text_serializer.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <map>

using namespace vp;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const auto hash = test::hash_of('a');

/// 14 s of moving pictures at 24 frames a second, a keyframe every 2.5 s, and a tone.
constexpr auto clip_frames = 336;
constexpr auto make_clip = "ffmpeg -v error -y -f lavfi -i testsrc2=s=320x180:r=24:d=14 -f lavfi -i sine=1000:d=14 "
                           "-c:v libx264 -preset ultrafast -g 60 -keyint_min 60 -sc_threshold 0 -c:a aac -shortest ";

/// What a pipeline with so many encoders makes of the clip: every file's content by its name.
struct outcome {
  std::string last_event;
  vp::video video;
  std::map<std::string, std::string> files;
  std::string metrics;
};

std::map<std::string, std::string> content_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (auto& entry : fs::recursive_directory_iterator{folder})
    if (entry.is_regular_file() && entry.path().filename() != "source") {
      std::ifstream in{entry.path(), std::ios::binary};
      all[fs::relative(entry.path(), folder).string()] = {std::istreambuf_iterator<char>{in}, {}};
    }
  return all;
}

/// Waits for the video's last event, at most a minute.
std::string wait_for_end(caf::scoped_actor& self, const pipeline& running) {
  auto until = std::chrono::steady_clock::now() + 60s;
  std::uint64_t seen = 0;
  std::string last;
  while (last != "completed" && last != "failed" && std::chrono::steady_clock::now() < until)
    self->request(running.events(), 20s, next_atom_v, seen, hash, 100U)
        .receive(
            [&](const std::vector<event>& events) {
              for (auto& x : events) {
                seen = x.id;
                last = x.kind;
              }
            },
            [&](caf::error& problem) { FAIL(from_caf(problem).text); });
  return last;
}

outcome transcode(const std::string& make_source, std::uint32_t encoders) {
  test::temporary_folder where;
  data_folder folder{where.path()};
  fs::create_directories(folder.video(hash));
  auto source = folder.source(hash);
  REQUIRE(std::system((make_source + source.string()).c_str()) == 0);
  auto registry = std::make_shared<prometheus::Registry>();
  outcome made;
  system_config config;
  {
    caf::actor_system system{config};
    {
      // The row first: start-up takes files without one for litter.
      auto db = database::open(folder.database());
      REQUIRE(db);
      auto size = fs::file_size(source);
      REQUIRE((*db)->open_video(hash, {"clip", "", "", "", size, 1, size}, true));
      REQUIRE((*db)->add_chunk(hash, 0, size));
      REQUIRE((*db)->finalize(hash));
    }
    pipeline_config settings;
    settings.data = where.path();
    settings.encoders = encoders;
    auto running = pipeline::start(system, settings, registry);
    REQUIRE(running);
    caf::scoped_actor self{system};
    made.last_event = wait_for_end(self, **running);
    self->request((*running)->catalog(), 10s, get_atom_v, hash)
        .receive([&](const vp::video& x) { made.video = x; },
                 [](caf::error& problem) { FAIL(from_caf(problem).text); });
    (*running)->drain(10s);
  }
  made.files = content_of(folder.video(hash));
  made.metrics = prometheus::TextSerializer{}.Serialize(registry->Collect());
  return made;
}

double metric(const std::string& text, const std::string& name) {
  auto at = text.find("\n" + name + " ");
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + name.size() + 2));
}

} // namespace

TEST_CASE("a clip is transcoded, and two encoders make the same bytes as one", "[transcode]") {
  auto source = std::string{make_clip} + "-f mp4 ";
  auto one = transcode(source, 1);
  REQUIRE(one.last_event == "completed");
  CHECK(one.video.status == video_status::completed);
  CHECK(one.video.width == 320);
  CHECK(one.video.has_poster);
  CHECK(one.files.contains("hls/playlist.m3u8"));
  CHECK(one.files.contains("dash/manifest.mpd"));
  CHECK(one.files.contains("poster.jpg"));
  auto two = transcode(source, 2);
  REQUIRE(two.last_event == "completed");
  CHECK(one.files.size() == two.files.size());
  for (auto& [name, content] : one.files) {
    INFO(name);
    CHECK((two.files.contains(name) && two.files.at(name) == content));
  }
  // 2, 2, 4, 4 and 2 s; each segment once.
  CHECK(metric(two.metrics, "vidpipeline_segments_encoded_total") == 5);
  CHECK(metric(one.metrics, "vidpipeline_frames_decoded_total") <= 1.1 * clip_frames);
  // One seek more, which here falls behind a keyframe by up to 60 frames.
  CHECK(metric(two.metrics, "vidpipeline_frames_decoded_total") <= 1.1 * clip_frames + 60);
}

TEST_CASE("what is no video fails soon and says why", "[transcode]") {
  auto before = std::chrono::steady_clock::now();
  auto text = transcode("echo 'this is a text' > ", 1);
  CHECK(text.last_event == "failed");
  CHECK(text.video.status == video_status::failed);
  CHECK(text.video.error.starts_with("The video can't be read: "));
  CHECK(std::chrono::steady_clock::now() - before < 5s);
}

TEST_CASE("a codec keeps its source open between segments, and after an error begins afresh", "[transcode]") {
  test::temporary_folder where;
  auto path = where.path() / "clip.mp4";
  REQUIRE(std::system((make_clip + path.string()).c_str()) == 0);
  struct flaky_source : media::byte_source {
    std::unique_ptr<media::byte_source> inner;
    const bool& broken;
    flaky_source(std::unique_ptr<media::byte_source> from, const bool& flag) : inner(std::move(from)), broken(flag) {}
    std::uint64_t size() const noexcept override { return inner->size(); }
    result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
      if (broken)
        return fail(errc::io_failed, "the disk is gone");
      return inner->read(offset, into);
    }
  };
  auto opened = 0;
  auto broken = false;
  encoder_config config;
  config.niceness = 0;
  config.open_source = [&](const source_ref&) -> result<std::unique_ptr<media::byte_source>> {
    ++opened;
    return std::make_unique<flaky_source>(std::move(*media::open_file(path)), broken);
  };
  test::actor_fixture fixture;
  codec_actor codec = fixture.spawn(vp::codec, config);
  source_ref source{hash, path.string(), fs::file_size(path)};
  auto found = fixture.ask<media::analysis>(codec, analyze_atom_v, analyze_task{source, {}}, media::interrupt{});
  REQUIRE(found);
  opened = 0;
  auto encode = [&](std::size_t number) {
    return fixture.ask<segment_result>(
        codec, encode_atom_v, segment_task{source, found->plan, found->segments[number], {}}, media::interrupt{});
  };
  REQUIRE(encode(0));
  REQUIRE(encode(1));
  CHECK(opened == 1);
  broken = true;
  CHECK(encode(4).error().code == errc::io_failed);
  broken = false;
  auto again = encode(4);
  REQUIRE(again);
  CHECK(opened == 2);
  CHECK(again->fragments.size() == found->plan.renditions.size());
}

TEST_CASE("the process learns of the end of an actor that everything hangs on, and the folder is free afterwards",
          "[transcode]") {
  test::temporary_folder where;
  system_config config;
  caf::actor_system system{config};
  pipeline_config settings;
  settings.data = where.path();
  std::promise<void> failed;
  settings.on_failure = [&] { failed.set_value(); };
  auto registry = std::make_shared<prometheus::Registry>();
  auto running = pipeline::start(system, settings, registry);
  REQUIRE(running);
  CHECK_FALSE(pipeline::start(system, settings, registry));
  caf::anon_send_exit((*running)->dispatcher(), caf::exit_reason::kill);
  CHECK(failed.get_future().wait_for(10s) == std::future_status::ready);
  running->reset();
  CHECK(system.registry().running() == 0);
}
