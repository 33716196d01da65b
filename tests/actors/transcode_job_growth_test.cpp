// Jobs whose source is read from its beginning while it is uploaded.

#include "media/manifest.hpp"
#include "tests/actors/transcode_job_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::arriving_fixture;
using test::piece;
using test::refuse;

namespace {

/// A job whose source is read from its beginning: what has come of the film ends 1 MiB behind the last segment that is
/// certain.
struct growing_fixture : arriving_fixture {
  std::vector<source_ref> looks;

  growing_fixture() {
    session->there.grows = true;
    encoder->analysis = [this](const analyze_task& task) -> result<media::analysis> {
      looks.push_back(task.source);
      if (task.source.arriving() && !task.source.grows())
        return fail(errc::incomplete, "it has no index");
      const auto certain = std::min<std::uint64_t>(6, task.source.size / piece - (task.source.grows() ? 1 : 0));
      if (task.source.size < 2 * piece)
        return fail(errc::incomplete, "not enough");
      auto found = test::make_analysis(static_cast<std::uint32_t>(certain));
      if (task.source.grows())
        found.plan.seen = task.source.size;
      return found;
    };
  }

  void arrives(std::uint64_t until, bool whole = false) {
    tell(job, arrive_atom_v, arrival{{{0, until}}, whole, true, {}, 1});
  }

  void finish_upload() {
    const auto id = look().id;
    for (std::uint32_t i = 0; i < 8; ++i)
      REQUIRE(ask<video>(catalog, chunk_atom_v, config.video_hash, id, i, piece));
    REQUIRE(ask<video>(catalog, finalize_atom_v, config.video_hash));
  }

  /// All of it, as sessions do that.
  void arrives_whole() {
    finish_upload();
    arrives(8 * piece, true);
  }

  std::string playlist() const {
    std::ifstream in{folder.hls(config.video_hash) / "360p.m3u8"};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
};

} // namespace

TEST_CASE_METHOD(growing_fixture, "a video grows while it is uploaded", "[transcode_job]") {
  start();
  advance(5s);
  CHECK(looks.empty());
  arrives(piece); // in which nothing is certain yet
  advance(2s);
  CHECK(looks.size() == 1);
  CHECK(outcomes.empty());
  arrives(3 * piece + 1000);
  advance(5s);
  REQUIRE(looks.size() == 2);
  CHECK(looks[1].grows());
  CHECK(looks[1].size == 3 * piece);
  CHECK(encoded() == std::set<std::uint32_t>{0, 1});
  CHECK(look().progress.segments_total == 2);
  CHECK(playlist().find("1.m4s") != std::string::npos);
  CHECK(playlist().find("ENDLIST") == std::string::npos);
  CHECK(wish(2, "me").error().code == errc::not_found);

  arrives(6 * piece);
  advance(10s);
  CHECK(encoded() == std::set<std::uint32_t>{0, 1, 2, 3, 4});
  CHECK(playlist().find("4.m4s") != std::string::npos);
  CHECK_FALSE(look().has_poster); // which is looked for where it would be in the whole
  CHECK(outcomes.empty());

  arrives_whole();
  advance(20s);
  CHECK(only_end() == job_end::completed);
  CHECK(look().has_poster);
  CHECK(std::count_if(looks.begin(), looks.end(), [](const auto& x) { return !x.grows(); }) == 1);
  CHECK(looks.back().size == 8 * piece);
  CHECK(playlist().find("ENDLIST") != std::string::npos);
  // Each of them was made once.
  std::map<std::uint32_t, int> times;
  for (const auto& [of, number] : encoder->segments)
    ++times[number];
  times.erase(0); // the poster's
  for (const auto& [number, count] : times)
    CHECK(count == 1);
}

TEST_CASE_METHOD(growing_fixture, "an upload that trickles is not looked at for each chunk", "[transcode_job]") {
  start();
  arrives(3 * piece);
  advance(5s);
  const auto before = looks.size();
  for (auto i = 1; i <= 20; ++i) {
    arrives(3 * piece + static_cast<std::uint64_t>(i) * 65536);
    advance(100ms);
  }
  CHECK(looks.size() - before <= 3);
  // However little it is, it is looked at in the end.
  advance(60s);
  CHECK(looks.back().size == 3 * piece + 20 * 65536);
}

TEST_CASE_METHOD(growing_fixture, "a video that grows goes on where a killed server left it", "[transcode_job]") {
  start();
  arrives(4 * piece);
  advance(10s);
  CHECK(encoded() == std::set<std::uint32_t>{0, 1, 2});
  self->send_exit(job, caf::exit_reason::kill);
  advance(31s); // the claim expires
  encoder->segments.clear();
  SECTION("while it arrives") {
    session->there = {{{0, 5 * piece}}, false, true, {}, 1};
    watch_progress();
    start();
    advance(10s);
    for (const auto& x : published) // so that nobody who watches notices
      CHECK(is_playable(video_status::uploading, x));
    CHECK(look().progress.segments_total == 4);
    CHECK(encoder->segments == std::vector<std::pair<std::string, std::uint32_t>>{{config.video_hash, 3}});
  }
  SECTION("when it is whole") {
    finish_upload();
    config.upload = upload_session_actor{};
    start();
    advance(20s);
    CHECK(only_end() == job_end::completed);
    CHECK_FALSE(looks.back().grows());
    CHECK(encoded() == std::set<std::uint32_t>{0, 3, 4, 5}); // 0 for the poster, the others are kept
  }
}

TEST_CASE_METHOD(growing_fixture, "a file that goes on otherwise than it began is planned when it is whole",
                 "[transcode_job]") {
  start();
  arrives(4 * piece);
  advance(10s);
  const auto before = playlist();
  const auto as_before = encoder->analysis;
  encoder->analysis = [as_before](const analyze_task& task) {
    auto found = as_before(task);
    if (!found)
      return found;
    found->segments.front().frames += 1;
    for (auto& rendition : found->plan.renditions) {
      rendition.id = rendition.name + "-" + (task.settings.salt.ends_with('+') ? "11111111" : "0000cafe");
      found->inits[static_cast<std::size_t>(&rendition - found->plan.renditions.data())].rendition = rendition.id;
    }
    return found;
  };
  SECTION("seen while it arrives") {
    arrives(6 * piece);
    advance(10s);
    CHECK(only_end() == job_end::not_yet);
    CHECK(look().status == video_status::uploading);
    CHECK_FALSE(is_playable(look().status, look().progress));
    finish_upload();
    outcomes.clear();
    config.upload = upload_session_actor{};
    start();
  }
  SECTION("seen when it is whole") {
    arrives_whole();
  }
  encoder->segments.clear();
  advance(60s);
  CHECK(only_end() == job_end::completed);
  // Nothing of what was made before is part of it.
  CHECK(encoded() == std::set<std::uint32_t>{0, 1, 2, 3, 4, 5});
  CHECK(playlist().find("360p-11111111") != std::string::npos);
  CHECK(before.find("360p-0000cafe") != std::string::npos);
}

TEST_CASE_METHOD(growing_fixture, "the beginning of a file is no ground for a verdict", "[transcode_job]") {
  start();
  arrives(4 * piece);
  encoder->takes = 5s;
  advance(6s);
  const auto as_before = encoder->analysis;
  encoder->analysis = [as_before](const analyze_task& task) -> result<media::analysis> {
    if (task.source.grows())
      return fail(errc::broken_media, "it is damaged");
    return as_before(task);
  };
  arrives(6 * piece);
  advance(1s);
  arrives_whole();
  advance(120s);
  CHECK(only_end() == job_end::completed);
}

TEST_CASE_METHOD(growing_fixture, "a verdict on the whole file is one, whatever its beginning looked like",
                 "[transcode_job]") {
  start();
  arrives(4 * piece);
  advance(10s);
  const auto as_before = encoder->analysis;
  encoder->analysis = [as_before](const analyze_task& task) -> result<media::analysis> {
    if (!task.source.grows())
      return fail(errc::unsupported_media, "it is no video further on");
    return as_before(task);
  };
  SECTION("in the same job") {
    arrives_whole();
  }
  SECTION("after a restart") {
    self->send_exit(job, caf::exit_reason::kill);
    advance(31s);
    finish_upload();
    config.upload = upload_session_actor{};
    start();
  }
  advance(60s);
  CHECK(only_end() == job_end::failed);
  CHECK(look().status == video_status::failed);
  CHECK(look().error.find("no video further on") != std::string::npos);
}

TEST_CASE_METHOD(growing_fixture, "who waits for what is planned otherwise is told", "[transcode_job]") {
  start();
  arrives(4 * piece);
  advance(10s);
  encoder->takes = 20s;
  arrives(6 * piece);
  advance(25s);
  const auto id = wish(4, "me");
  REQUIRE(id);
  auto waiting = request(job, await_atom_v, config.video_hash, *id);
  const auto as_before = encoder->analysis;
  encoder->analysis = [as_before](const analyze_task& task) {
    auto found = as_before(task);
    if (found && !task.source.grows())
      found->segments.resize(2);
    return found;
  };
  arrives_whole();
  advance(300s);
  CHECK(waiting.get<void>().error().code == errc::overloaded);
  CHECK(only_end() == job_end::completed);
}

TEST_CASE_METHOD(growing_fixture, "what a beginning looks like is of no interest when the file is whole",
                 "[transcode_job]") {
  start();
  arrives(4 * piece);
  advance(10s);
  const auto as_before = encoder->analysis;
  encoder->takes = 5s;
  encoder->analysis = [as_before](const analyze_task& task) {
    auto found = as_before(task);
    if (found && task.source.grows())
      found->segments.front().frames += 1;
    return found;
  };
  arrives(6 * piece);
  advance(1s);
  encoder->segments.clear();
  arrives_whole();
  advance(300s);
  CHECK(only_end() == job_end::completed);
  CHECK(encoded() == std::set<std::uint32_t>{0, 3, 4, 5}); // 0 for the poster: the others are kept
}

TEST_CASE_METHOD(growing_fixture, "manifests that are written late don't come over later ones", "[transcode_job]") {
  *to_segmenter = first(1, grow_atom_v, refuse(errc::disk_full));
  start();
  arrives(4 * piece);
  advance(5s);
  arrives(6 * piece);
  advance(2s);
  arrives_whole();
  advance(120s);
  CHECK(only_end() == job_end::completed);
  CHECK(playlist().find("5.m4s") != std::string::npos);
  CHECK(playlist().find("ENDLIST") != std::string::npos);
}
