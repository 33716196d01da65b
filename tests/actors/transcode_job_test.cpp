#include "actors/catalog.hpp"
#include "actors/dispatcher.hpp"
#include "actors/segmenter.hpp"
#include "actors/transcode_job.hpp"
#include "media/manifest.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <nlohmann/json.hpp>

#include <set>

using namespace vp;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const auto hash = test::hash_of('a');
const auto pass = test::fate{test::fate::kind::pass, {}};
const auto swallow = test::fate{test::fate::kind::swallow, {}};

test::fate refuse(errc code) {
  return {test::fate::kind::refuse, {code, "refused"}};
}

/// The real catalog, dispatcher and segmenter around a job, with faults between them; only encoders are scripted.
struct job_fixture : test::actor_fixture {
  test::temporary_folder where;
  data_folder folder{where.path()};
  std::shared_ptr<database> db;
  catalog_actor catalog;
  dispatcher_actor dispatcher;
  std::shared_ptr<test::encoder_script> encoder = std::make_shared<test::encoder_script>();

  std::shared_ptr<test::interference> to_catalog = std::make_shared<test::interference>();
  std::shared_ptr<test::interference> to_segmenter = std::make_shared<test::interference>();

  transcode_job_config config;
  transcode_job_actor job;
  segmenter_actor segmenter;
  std::vector<job_outcome> outcomes;

  job_fixture() {
    database_options options;
    options.now = [this] {
      auto simulated = sched.clock().now().time_since_epoch();
      return std::chrono::system_clock::time_point{
          std::chrono::hours(500'000) + std::chrono::duration_cast<std::chrono::system_clock::duration>(simulated)};
    };
    fs::create_directories(folder.uploads());
    auto opened = database::open(folder.database(), options);
    REQUIRE(opened);
    db = std::move(*opened);
    catalog = spawn(vp::catalog, catalog_config{db, folder});
    dispatcher = spawn(vp::dispatcher, dispatcher_config{});
    tell(dispatcher, register_atom_v, encoder_actor{spawn(test::scripted_encoder, encoder)},
         encoder_info{"node", 1, "run"});
    encoder->analysis = [](const analyze_task&) { return test::make_analysis(6); };
    config.video_hash = hash;
    config.source_path = folder.source(hash).string();
    config.owner = "us/0";
    upload();
  }

  void upload() {
    auto opened = ask<video>(catalog, open_atom_v, hash, upload_request{"film", "", "video/mp4", "", 1000, 1, 1000});
    REQUIRE(opened);
    REQUIRE(ask<video>(catalog, chunk_atom_v, hash, opened->id, 0U, std::uint64_t{1000}));
    REQUIRE(ask<video>(catalog, finalize_atom_v, hash));
  }

  void start() {
    auto listener = spawn([this](finish_listener::pointer) -> finish_listener::behavior_type {
      return {[this](finish_atom, const job_outcome& outcome) { outcomes.push_back(outcome); }};
    });
    segmenter = spawn(vp::segmenter, folder, config.video_hash);
    auto before = [this](auto typed, auto policy, bool as_one) {
      return caf::actor_cast<decltype(typed)>(spawn(test::tap, caf::actor_cast<caf::actor>(typed), policy, as_one));
    };
    job = spawn(transcode_job, config, before(catalog, to_catalog, false), dispatcher,
                before(segmenter, to_segmenter, true), listener);
    run();
  }

  video look() { return *ask<video>(catalog, get_atom_v, config.video_hash); }

  std::vector<event> events(const std::string& kind) {
    std::vector<event> all;
    const auto found = ask<std::vector<event>>(catalog, events_atom_v, std::uint64_t{0}, hash, 1000U);
    for (auto& x : *found)
      if (x.kind == kind)
        all.push_back(x);
    return all;
  }

  /// As it was published: the outbox forgets it when the video is done.
  std::vector<progress> published;
  std::vector<caf::actor_clock::time_point> published_at;

  void watch_progress() {
    *to_catalog = [this](const caf::message& what) {
      if (test::begins_with(what, progress_atom_v)) {
        published.push_back(what.get_as<progress>(2));
        published_at.push_back(sched.clock().now());
      }
      return pass;
    };
  }

  template <class Handle>
  bool alive(const Handle& whom) {
    return !caf::actor_cast<caf::abstract_actor*>(whom)->getf(caf::abstract_actor::is_terminated_flag);
  }

  job_end only_end() {
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].video_hash == config.video_hash);
    CHECK_FALSE(alive(job));
    return outcomes[0].end;
  }

  /// Refuses or swallows the first `count` messages that begin with `atom`, or all (-1).
  template <class Atom>
  static test::interference first(int count, const Atom& atom, test::fate what) {
    return [left = std::make_shared<int>(count), atom, what](const caf::message& x) {
      if (!test::begins_with(x, atom) || *left == 0)
        return pass;
      --*left;
      return what;
    };
  }

  std::set<std::uint32_t> encoded() const {
    std::set<std::uint32_t> all;
    for (auto& x : encoder->segments)
      all.insert(x.second);
    return all;
  }
};

} // namespace

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

// -- uploads --------------------------------------------------------------------------------------

namespace {

constexpr std::uint64_t piece = 1U << 20U;

/// A job whose source is still being uploaded: the film's 6 segments need a MiB each.
struct arriving_fixture : job_fixture {
  std::shared_ptr<test::session_log> session = std::make_shared<test::session_log>();

  arriving_fixture() {
    config.video_hash = test::hash_of('b');
    config.source_path = folder.source(config.video_hash).string();
    config.upload = spawn(test::scripted_session, session);
    REQUIRE(ask<video>(catalog, open_atom_v, config.video_hash,
                       upload_request{"film", "", "video/mp4", "", 8 * piece, 8, piece}));
    encoder->analysis = [](const analyze_task&) {
      auto found = test::make_analysis(6);
      for (auto& cell : found.segments)
        cell.video_bytes = cell.audio_bytes = {cell.number * piece, (cell.number + 1) * piece};
      return found;
    };
  }

  void begin_and_analyze() {
    start();
    advance(2s);
    REQUIRE(look().progress.segments_total == 6);
  }

  void arrives(std::uint64_t until) { tell(job, arrive_atom_v, arrival{{{0, until}}, false, false, {}, 1}); }

  auto wish(std::uint32_t segment, const std::string& viewer) {
    return ask<std::uint64_t>(job, wish_atom_v, fragment_wish{config.video_hash, "360p-0000cafe", segment, viewer});
  }
};

} // namespace

TEST_CASE_METHOD(arriving_fixture, "what has arrived is encoded, and no more", "[transcode_job]") {
  begin_and_analyze();
  CHECK(encoded().empty());
  arrives(3 * piece + piece / 2);
  advance(20s);
  CHECK(encoded() == std::set<std::uint32_t>{0, 1, 2});
  CHECK(outcomes.empty());
  CHECK(look().status == video_status::uploading);
}

TEST_CASE_METHOD(arriving_fixture, "what a viewer waits for is made of chunks that are still on their way",
                 "[transcode_job]") {
  auto viewers = std::make_shared<test::encoder_script>();
  tell(dispatcher, register_atom_v, encoder_actor{spawn(test::scripted_encoder, viewers)},
       encoder_info{"node", 2, "run", true});
  begin_and_analyze();
  const auto come = [this](std::uint64_t until, std::uint32_t reading) {
    tell(job, arrive_atom_v, arrival{{}, false, false, {{0, until}}, reading});
  };
  come(piece, 7);
  REQUIRE(wish(2, "me"));
  advance(5s);
  CHECK(viewers->segments.empty());
  come(4 * piece, 7);
  CHECK(viewers->readings == std::vector<std::uint32_t>{7});
  CHECK(viewers->segments.back().second == 2);
  come(4 * piece, 8); // of another chunk the upload goes on otherwise
  REQUIRE(wish(1, "me"));
  advance(5s);
  CHECK(viewers->readings == std::vector<std::uint32_t>{7, 8});
  CHECK(viewers->segments.back().second == 1);
  CHECK(encoded().empty()); // the others wait until it is certain
}

TEST_CASE_METHOD(arriving_fixture, "that a video can be watched is told at once", "[transcode_job]") {
  watch_progress();
  encoder->takes = 50ms;
  start();
  advance(100ms, 10ms);
  REQUIRE(published.size() == 2);
  CHECK(published[0].phase == "analyzing");
  CHECK(is_playable(video_status::uploading, published[1]));
}

TEST_CASE_METHOD(arriving_fixture, "the bytes that viewers wait for are asked for", "[transcode_job]") {
  begin_and_analyze();
  const auto id = wish(4, "me");
  REQUIRE(id);
  run();
  REQUIRE(session->wanted.size() == 1);
  CHECK(session->wanted[0].begin <= 4 * piece);
  CHECK(session->wanted[0].end >= 5 * piece);
  SECTION("until they are there") {
    auto waiting = request(job, await_atom_v, config.video_hash, *id);
    tell(job, arrive_atom_v, arrival{{{4 * piece, 6 * piece}}, false, false, {}, 1});
    advance(2s);
    CHECK(waiting.get<void>());
    CHECK(session->wanted.empty());
    CHECK(encoded().contains(4));
  }
  SECTION("until the viewer has gone") {
    tell(job, abort_atom_v, config.video_hash, *id);
    CHECK(session->wanted.empty());
  }
  SECTION("until it is plain that nobody comes to wait") {
    advance(31s);
    CHECK(session->wanted.empty());
  }
}

TEST_CASE_METHOD(arriving_fixture, "a viewer waits for so many fragments, and all together for so many",
                 "[transcode_job]") {
  begin_and_analyze();
  for (auto viewer = 0; viewer < 16; ++viewer) {
    const auto name = std::to_string(viewer);
    for (auto i = 0U; i < config.viewer_wishes; ++i)
      REQUIRE(wish(i % 6, name));
    if (viewer < 15)
      REQUIRE(wish(0, name).error().code == errc::overloaded);
  }
  CHECK(wish(0, "one more").error().code == errc::overloaded);
}

TEST_CASE_METHOD(arriving_fixture, "who has something to play lets those go first who have not", "[transcode_job]") {
  begin_and_analyze();
  std::vector<std::uint32_t> wanted;
  const auto order_of_bytes = [&] {
    wanted.clear();
    for (const auto& bytes : session->wanted)
      wanted.push_back(static_cast<std::uint32_t>(bytes.begin / piece));
    return wanted;
  };
  REQUIRE(wish(0, "plays on"));
  REQUIRE(wish(1, "plays on"));
  REQUIRE(wish(2, "plays on"));
  REQUIRE(wish(5, "seeks"));
  run();
  CHECK(order_of_bytes() == std::vector<std::uint32_t>{0, 5, 1, 2});
  // By now it has come to the second one, which it asked for before the other one's next.
  advance(2500ms);
  REQUIRE(wish(3, "seeks"));
  run();
  CHECK(order_of_bytes() == std::vector<std::uint32_t>{0, 5, 1, 3, 2});
}

TEST_CASE_METHOD(arriving_fixture, "who seeks comes before whoever plays on too late", "[transcode_job]") {
  begin_and_analyze();
  REQUIRE(wish(0, "late"));
  REQUIRE(wish(1, "late"));
  arrives(piece + piece / 2);
  advance(10s);
  REQUIRE(session->wanted.size() == 1);
  REQUIRE(wish(5, "seeks"));
  run();
  REQUIRE(session->wanted.size() == 2);
  CHECK(session->wanted[0].begin == 5 * piece);
  CHECK(session->wanted[1].begin == piece);
  // Its address may be that of many.
  REQUIRE(wish(3, "late"));
  run();
  REQUIRE(session->wanted.size() == 3);
  CHECK(session->wanted[2].begin == piece);
}

TEST_CASE_METHOD(arriving_fixture, "what can't be encoded yet is left until the upload is whole", "[transcode_job]") {
  encoder->fault = [](const std::string&, std::uint32_t segment) -> std::optional<error> {
    return segment == 1 ? std::optional{error{errc::broken_media, "broken"}} : std::nullopt;
  };
  begin_and_analyze();
  arrives(8 * piece);
  advance(20s);
  CHECK(only_end() == job_end::not_yet);
  const auto left = look();
  CHECK(left.status == video_status::uploading);
  CHECK(left.attempts == 0);
  // Nobody would make the rest for a viewer.
  CHECK_FALSE(is_playable(left.status, left.progress));
}

TEST_CASE_METHOD(arriving_fixture, "an upload that pauses is let go, and can be watched as far as it goes",
                 "[transcode_job]") {
  begin_and_analyze();
  arrives(3 * piece);
  advance(30s);
  CHECK(outcomes.empty());
  arrives(4 * piece);
  advance(59s);
  CHECK(outcomes.empty());
  advance(10s);
  CHECK(only_end() == job_end::put_back);
  CHECK(look().status == video_status::uploading);
  CHECK(is_playable(look().status, look().progress));
  CHECK(ask<std::string>(catalog, claim_atom_v, config.video_hash)->empty());
}

TEST_CASE_METHOD(arriving_fixture, "an upload that has not enough to be planned waits until it is whole",
                 "[transcode_job]") {
  encoder->analysis = [](const analyze_task&) -> result<media::analysis> {
    return fail(errc::incomplete, "not all of it is there");
  };
  start();
  advance(5s);
  CHECK(only_end() == job_end::not_yet);
  CHECK(encoder->analyses == 1);
  CHECK(look().attempts == 0);
}

TEST_CASE_METHOD(arriving_fixture, "an upload whose bytes come too late to be planned is looked at again",
                 "[transcode_job]") {
  const auto as_usual = encoder->analysis;
  encoder->analysis = [](const analyze_task&) -> result<media::analysis> {
    return fail(errc::not_arrived, "not in time");
  };
  start();
  advance(20s);
  CHECK(outcomes.empty());
  CHECK(encoder->analyses == 1); // nothing has come since
  encoder->analysis = as_usual;
  arrives(2 * piece);
  advance(20s);
  CHECK(encoder->analyses == 2);
  CHECK(encoded() == std::set<std::uint32_t>{0});
}

TEST_CASE_METHOD(arriving_fixture, "an upload that another server works on is left to it", "[transcode_job]") {
  REQUIRE(ask<claimed_job>(catalog, preview_atom_v, config.video_hash, std::string{"them/0"},
                           std::string{"http://them"}, caf::timespan{30s}));
  start();
  CHECK(only_end() == job_end::busy);
}

// -- uploads that grow ----------------------------------------------------------------------------

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
