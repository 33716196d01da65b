#include "media/manifest.hpp"
#include "tests/actors/transcode_job_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash;
using test::job_fixture;
using test::pass;
using test::refuse;
using test::swallow;
namespace fs = std::filesystem;

TEST_CASE_METHOD(job_fixture, "a job takes a video from queued to completed", "[transcode_job]") {
  watch_progress();
  start();
  CHECK(look().status == video_status::processing);
  advance(10s);
  CHECK(only_end() == job_end::completed);
  auto done = look();
  CHECK(done.status == video_status::completed);
  CHECK(done.error.empty());
  CHECK(fs::exists(folder.hls(hash) / "playlist.m3u8"));
  CHECK(fs::exists(folder.dash(hash) / "manifest.mpd"));
  CHECK(fs::exists(folder.poster(hash)));
  CHECK(events("started").size() == 1);
  CHECK(events("completed").size() == 1);
  CHECK(encoder->segments.size() == 6);
  CHECK(encoder->seeks == 1);
  CHECK_FALSE(alive(segmenter));

  // Progress: from the first to the last word, and seldom in between.
  REQUIRE(published.size() >= 3);
  CHECK(published.front().phase == "analyzing");
  CHECK(published.back().phase == "packaging");
  CHECK(published.back().segments_done == 6);
  CHECK(published.back().segments_total == 6);
  REQUIRE(published.back().renditions.size() == 3);
  for (auto& rendition : published.back().renditions)
    CHECK(rendition.done == rendition.total);
  for (std::size_t i = 1; i + 1 < published.size(); ++i) {
    CHECK(published[i].segments_done >= published[i - 1].segments_done);
    CHECK(published_at[i] - published_at[i - 1] >= 500ms);
  }
}

TEST_CASE_METHOD(job_fixture, "the time left is judged by the speed of the recent past", "[transcode_job]") {
  encoder->analysis = [](const analyze_task&) { return test::make_analysis(52); }; // 204 s
  encoder->takes = 2s;
  start();
  advance(3s);
  auto now = ask<progress>(job, progress_atom_v);
  CHECK(now->eta_seconds < 0); // Nothing is known before the first segment.
  advance(40s);
  now = ask<progress>(job, progress_atom_v);
  // 4 s of media each 2 s.
  CHECK(now->segments_done >= 19);
  CHECK(now->eta_seconds == Approx(2.0 * (52 - now->segments_done)).epsilon(0.1));
  // The machine gets slow; the estimate follows.
  encoder->takes = 10s;
  advance(70s);
  now = ask<progress>(job, progress_atom_v);
  CHECK(now->eta_seconds == Approx(10.0 * (52 - now->segments_done)).epsilon(0.25));
}

TEST_CASE_METHOD(job_fixture, "a video that another server works on is left to it", "[transcode_job]") {
  REQUIRE(ask<claimed_job>(catalog, claim_atom_v, hash, std::string{"them"}, std::string{}, caf::timespan{30s}));
  start();
  CHECK(only_end() == job_end::busy);
  CHECK(encoder->analyses == 0);
}

TEST_CASE_METHOD(job_fixture, "where there is nothing to do a job says so", "[transcode_job]") {
  SECTION("no such video") {
    REQUIRE(ask<void>(catalog, remove_atom_v, hash));
    start();
    CHECK(only_end() == job_end::cancelled);
  }
  SECTION("completed already") {
    start();
    advance(10s);
    outcomes.clear();
    start();
    CHECK(only_end() == job_end::completed);
    CHECK(events("completed").size() == 1);
  }
  SECTION("started too often") {
    for (std::string owner : {"us/1", "us/2", "us/3"})
      REQUIRE(ask<claimed_job>(catalog, claim_atom_v, hash, owner, std::string{}, caf::timespan{30s}));
    start();
    CHECK(only_end() == job_end::failed);
    CHECK(look().status == video_status::failed);
  }
}

TEST_CASE_METHOD(job_fixture, "a source that can't be read fails its video, in words", "[transcode_job]") {
  encoder->analysis = [](const analyze_task&) { return fail(errc::unsupported_media, "this is a text file"); };
  start();
  advance(2s);
  CHECK(only_end() == job_end::failed);
  CHECK(look().status == video_status::failed);
  CHECK(look().error == "The video can't be read: this is a text file");
  CHECK(events("failed").size() == 1);
}

TEST_CASE_METHOD(job_fixture, "a segment that can't be encoded fails its video, in words", "[transcode_job]") {
  encoder->fault = [](const std::string&, std::uint32_t segment) -> std::optional<error> {
    if (segment == 3)
      return error{errc::encoder_failed, "the encoder gave up"};
    return std::nullopt;
  };
  start();
  advance(20s);
  CHECK(only_end() == job_end::failed);
  CHECK(look().error == "Segment 3 can't be encoded: the encoder gave up");
  CHECK_FALSE(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.at(0).busy);
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->jobs == 0);
}

TEST_CASE_METHOD(job_fixture, "a job that is put back is continued, not begun again", "[transcode_job]") {
  start();
  advance(4s);
  REQUIRE(ask<void>(job, cancel_atom_v, true));
  CHECK(only_end() == job_end::put_back);
  auto waiting = look();
  CHECK(waiting.status == video_status::queued);
  CHECK(waiting.attempts == 0);
  CHECK_FALSE(alive(segmenter));
  auto done = encoder->segments.size();
  REQUIRE(done >= 2);

  SECTION("all files are still there") {
    outcomes.clear();
    start();
    advance(10s);
    CHECK(only_end() == job_end::completed);
    CHECK(encoder->analyses == 1);
    CHECK(encoder->segments.size() <= 7); // The one in progress is done again.
    CHECK(encoded().size() == 6);
  }
  SECTION("a fragment was lost") {
    auto fragment = folder.media(hash, test::make_plan().renditions[1].id) / media::fragment_name(0);
    REQUIRE(fs::remove(fragment));
    outcomes.clear();
    encoder->segments.clear();
    start();
    advance(10s);
    CHECK(only_end() == job_end::completed);
    CHECK(encoded().contains(0));
    CHECK_FALSE(encoded().contains(1));
    CHECK(fs::exists(fragment));
  }
  SECTION("an init segment was lost") {
    REQUIRE(fs::remove(folder.media(hash, test::make_plan().renditions[1].id) / media::init_name()));
    outcomes.clear();
    start();
    advance(10s);
    CHECK(only_end() == job_end::completed);
    CHECK(encoder->analyses == 2);
    CHECK(encoder->segments.size() <= 7);
  }
  SECTION("nothing was left to encode") {
    outcomes.clear();
    *to_segmenter = first(-1, finish_atom_v, refuse(errc::disk_full));
    start();
    advance(10s);
    REQUIRE(ask<void>(job, cancel_atom_v, true));
    *to_segmenter = nullptr;
    outcomes.clear();
    encoder->segments.clear();
    start();
    advance(1s);
    CHECK(only_end() == job_end::completed);
    CHECK(encoder->segments.empty());
  }
}

TEST_CASE_METHOD(job_fixture, "a claim is kept for as long as the job lasts", "[transcode_job]") {
  encoder->takes = 40s;
  auto renewals = std::make_shared<int>(0);
  // Every second renewal gets lost.
  *to_catalog = [renewals](const caf::message& what) {
    return test::begins_with(what, renew_atom_v) && ++*renewals % 2 == 0 ? swallow : pass;
  };
  start();
  for (int i = 0; i < 20; ++i) {
    advance(10s, 500ms);
    auto other = ask<claimed_job>(catalog, claim_atom_v, hash, std::string{"them"}, std::string{}, caf::timespan{30s});
    REQUIRE_FALSE(other);
    CHECK(other.error().code == errc::conflict);
  }
  advance(100s, 500ms);
  CHECK(only_end() == job_end::completed);
}

TEST_CASE_METHOD(job_fixture, "a job whose claim was taken over changes nothing more", "[transcode_job]") {
  encoder->takes = 20s;
  *to_catalog = first(-1, renew_atom_v, swallow);
  start();
  advance(35s, 500ms);
  auto other = ask<claimed_job>(catalog, claim_atom_v, hash, std::string{"them"}, std::string{}, caf::timespan{300s});
  REQUIRE(other);
  auto before = look();
  auto last = *ask<std::uint64_t>(catalog, last_atom_v);
  SECTION("it notices when it stores") {
    advance(30s, 500ms);
  }
  SECTION("it notices when it renews") {
    *to_catalog = nullptr;
    advance(10s, 500ms);
  }
  CHECK(only_end() == job_end::cancelled);
  CHECK(look() == before);
  CHECK(*ask<std::uint64_t>(catalog, last_atom_v) == last);
  CHECK(ask<void>(catalog, renew_atom_v, other->claim, caf::timespan{30s}));
}

TEST_CASE_METHOD(job_fixture, "a catalog that is slow now and then is asked again", "[transcode_job]") {
  auto code = GENERATE(errc::none, errc::overloaded, errc::io_failed);
  auto what = code == errc::none ? swallow : refuse(code);
  auto times = GENERATE(1, 3);
  auto count = std::make_shared<std::map<std::string, int>>();
  // The first tries of each kind of request.
  *to_catalog = [=](const caf::message& x) {
    return (*count)[caf::to_string(x).substr(0, 12)]++ < times ? what : pass;
  };
  start();
  advance(300s, 500ms);
  CHECK(only_end() == job_end::completed);
  CHECK(look().status == video_status::completed);
}

TEST_CASE_METHOD(job_fixture, "a catalog that is lost for good puts the job back", "[transcode_job]") {
  SECTION("from the start") {
    *to_catalog = first(-1, claim_atom_v, swallow);
    start();
  }
  SECTION("in the middle") {
    *to_catalog = first(-1, store_atom_v, refuse(errc::io_failed));
    start();
  }
  advance(300s, 500ms);
  CHECK(only_end() == job_end::put_back);
  CHECK(look().status == video_status::queued);
}

TEST_CASE_METHOD(job_fixture, "a full disk is waited for, and said", "[transcode_job]") {
  watch_progress();
  SECTION("when segments are written") {
    *to_segmenter = first(-1, store_atom_v, refuse(errc::disk_full));
  }
  SECTION("when manifests are written") {
    *to_segmenter = first(-1, finish_atom_v, refuse(errc::disk_full));
  }
  SECTION("when init segments are written") {
    *to_segmenter = first(-1, open_atom_v, refuse(errc::disk_full));
  }
  start();
  advance(600s, 500ms);
  CHECK(outcomes.empty());
  CHECK(ask<progress>(job, progress_atom_v)->phase == "waiting for disk space");
  CHECK(published.back().phase == "waiting for disk space");
  CHECK(look().status == video_status::processing);
  // What it holds in memory meanwhile has a bound.
  CHECK(encoder->segments.size() <= 6);
  *to_segmenter = nullptr;
  advance(90s, 500ms);
  CHECK(only_end() == job_end::completed);
}

TEST_CASE_METHOD(job_fixture, "a database without space is waited for as well", "[transcode_job]") {
  *to_catalog = first(-1, store_atom_v, refuse(errc::disk_full));
  start();
  advance(300s, 500ms);
  CHECK(outcomes.empty());
  CHECK(encoder->segments.size() == 3); // The credit: one encoder and two more.
  *to_catalog = nullptr;
  advance(90s, 500ms);
  CHECK(only_end() == job_end::completed);
}

TEST_CASE_METHOD(job_fixture, "a disk that fails for good fails the video", "[transcode_job]") {
  *to_segmenter = first(-1, store_atom_v, refuse(errc::io_failed));
  start();
  advance(60s, 500ms);
  CHECK(only_end() == job_end::failed);
  CHECK(look().error == "The video can't be stored: refused");
}

TEST_CASE_METHOD(job_fixture, "messages twice and out of order are harmless", "[transcode_job]") {
  watch_progress();
  start();
  // Before its time.
  auto plan = test::make_plan();
  auto segments = test::make_segments(6);
  segment_result early = test::make_result({{hash, "", 1}, plan, segments[5], {}});
  tell(job, result_atom_v, early);
  tell(job, fail_atom_v, hash, 1U, to_caf(errc::internal, "early"));
  advance(3s);
  for (int i = 0; i < 50; ++i) {
    self->send(job, tick_atom_v);
    self->send(job, result_atom_v, test::make_result({{hash, "", 1}, plan, segments[0], {}}));
    self->send(job, result_atom_v, early);
    self->send(job, result_atom_v, test::make_result({{test::hash_of('b'), "", 1}, plan, segments[1], {}}));
  }
  self->send(job, fail_atom_v, hash, 0U, to_caf(errc::internal, "of one that is stored"));
  self->send(job, fail_atom_v, test::hash_of('b'), 4U, to_caf(errc::internal, "of another video"));
  self->send(job, fail_atom_v, hash, 77U, to_caf(errc::internal, "of none"));
  advance(10s);
  CHECK(only_end() == job_end::completed);
  CHECK(published.back().segments_done == 6);
  for (std::size_t i = 1; i + 1 < published.size(); ++i)
    CHECK(published_at[i] - published_at[i - 1] >= 500ms);
}

TEST_CASE_METHOD(job_fixture, "a job can be cancelled at any moment", "[transcode_job]") {
  auto when = GENERATE(0ms, 500ms, 1000ms, 1500ms, 4200ms);
  auto give_back = GENERATE(true, false);
  if (when == 0ms)
    *to_catalog = first(1, claim_atom_v, swallow);
  start();
  advance(when);
  auto cancelled = ask<void>(job, cancel_atom_v, give_back);
  CHECK(cancelled);
  CHECK(only_end() == (give_back ? job_end::put_back : job_end::cancelled));
  CHECK_FALSE(alive(segmenter));
  CHECK(look().status == (give_back || when == 0ms ? video_status::queued : video_status::processing));
  auto status = ask<dispatcher_status>(dispatcher, status_atom_v);
  CHECK(status->jobs == 0);
  CHECK_FALSE(status->encoders.at(0).busy);
}

TEST_CASE_METHOD(job_fixture, "an end has a limit whatever the others do", "[transcode_job]") {
  encoder->silent = true;
  start();
  advance(2s);
  *to_catalog = first(-1, release_atom_v, swallow);
  *to_segmenter = [](const caf::message&) { return swallow; };
  auto cancelled = request(job, cancel_atom_v, true);
  advance(6s);
  CHECK(cancelled.get<void>());
  CHECK(only_end() == job_end::put_back);
}

TEST_CASE_METHOD(job_fixture, "a job ends without a word when its segmenter breaks off", "[transcode_job]") {
  start();
  advance(3s);
  self->send_exit(segmenter, caf::exit_reason::unhandled_exception);
  run();
  CHECK(outcomes.empty());
  CHECK_FALSE(alive(job));
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->jobs == 0);
}

TEST_CASE_METHOD(job_fixture, "a job is put back when the dispatcher ends", "[transcode_job]") {
  start();
  advance(3s);
  self->send_exit(dispatcher, caf::exit_reason::kill);
  run();
  CHECK(only_end() == job_end::put_back);
  CHECK(look().status == video_status::queued);
}

TEST_CASE_METHOD(job_fixture, "an answer of the catalog that gets lost changes nothing", "[transcode_job]") {
  // Each kind of request is done once without a word, so the job says all of them twice.
  auto lost = std::make_shared<std::set<std::string>>();
  *to_catalog = [lost](const caf::message& what) {
    auto first = lost->insert(caf::to_string(what.get_as<caf::atom_value>(0))).second;
    return first ? test::fate{test::fate::kind::lose_answer, {}} : pass;
  };
  start();
  advance(120s);
  INFO(outcomes.at(0).reason);
  CHECK(only_end() == job_end::completed);
  CHECK(lost->size() >= 5);
  CHECK(events("started").size() == 1);
  CHECK(events("completed").size() == 1);
  CHECK(encoder->analyses == 1);
}

TEST_CASE_METHOD(job_fixture, "an encoder that opens and then fails is replaced, under other names",
                 "[transcode_job]") {
  encoder->analysis = [](const analyze_task& task) {
    auto found = test::make_analysis(6);
    if (task.settings.encoder == "libx264")
      return found;
    for (auto& x : found.plan.renditions)
      if (x.kind == media::media_kind::video) {
        x.encoder = "h264_videotoolbox";
        x.id = x.name + "-0000beef";
      }
    for (auto& x : found.inits)
      if (!x.rendition.starts_with("audio"))
        x.rendition.replace(x.rendition.find('-'), std::string::npos, "-0000beef");
    return found;
  };
  encoder->fault = [this](const std::string&, std::uint32_t segment) -> std::optional<error> {
    if (segment == 3 && encoder->analyses == 1)
      return error{errc::encoder_failed, "the hardware is gone"};
    return std::nullopt;
  };
  start();
  advance(60s);
  CHECK(only_end() == job_end::completed);
  CHECK(encoder->analyses == 2);
  CHECK(look().status == video_status::completed);
  CHECK(fs::exists(folder.media(hash, "720p-0000cafe") / media::fragment_name(5)));
  CHECK_FALSE(fs::exists(folder.media(hash, "720p-0000beef")));
  const auto fragments = db->fragments(hash);
  REQUIRE(fragments);
  for (auto& x : *fragments)
    CHECK(x.rendition.ends_with("-0000cafe"));
}

TEST_CASE_METHOD(job_fixture, "pictures that can't be copied after all are encoded", "[transcode_job]") {
  config.settings.copy_source = true;
  config.settings.encoder = "h264_videotoolbox";
  encoder->analysis = [](const analyze_task& task) {
    CHECK(task.settings.encoder == "h264_videotoolbox"); // which is not at fault
    auto found = test::make_analysis(6);
    if (task.settings.copy_source)
      found.plan.renditions.front().encoder = media::copied;
    return found;
  };
  encoder->fault = [this](const std::string&, std::uint32_t segment) -> std::optional<error> {
    return segment == 3 && encoder->analyses == 1 ? std::optional{error{errc::not_copyable, "no keyframe"}}
                                                  : std::nullopt;
  };
  start();
  advance(60s);
  CHECK(only_end() == job_end::completed);
  CHECK(encoder->analyses == 2);
}
