#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');

std::vector<stored_fragment> some_fragments() {
  return {{"720p-0000cafe", 0, 0, 48000, 100}, {"audio-0000cafe", 0, 0, 95232, 50}};
}

} // namespace

TEST_CASE_METHOD(test::storage, "a job that began with an upload goes on with its claim when that is whole",
                 "[database]") {
  REQUIRE(db->open_video(a, {"title", "", "", "", 10, 1, 10}, false));
  auto early = db->preview_job(a, "me/1", "http://me", 30s);
  REQUIRE(early);
  CHECK(early->video.status == video_status::uploading);
  CHECK(early->video.attempts == 1);
  CHECK(db->preview_job(a, "other/1", "", 30s).error().code == errc::conflict);
  REQUIRE(db->add_chunk(a, 0, 10));
  REQUIRE(db->finalize(a));
  CHECK(db->preview_job(a, "me/1", "", 30s).error().code == errc::conflict);
  auto whole = db->claim_job(a, "me/1", "http://me", 30s);
  REQUIRE(whole);
  CHECK(whole->claim.epoch == early->claim.epoch);
  CHECK(whole->video.attempts == 1);
  CHECK(db->complete(early->claim));
}

TEST_CASE_METHOD(test::storage, "a job that gives an upload back leaves it one", "[database]") {
  REQUIRE(db->open_video(a, {"title", "", "", "", 10, 1, 10}, false));
  auto early = db->preview_job(a, "me/1", "http://me", 30s);
  REQUIRE(early);
  REQUIRE(db->release(early->claim));
  CHECK(db->get(a)->status == video_status::uploading);
  CHECK(db->claim_job(a, "me/2", "", 30s).error().code == errc::conflict);
  auto later = db->preview_job(a, "other/1", "", 30s);
  REQUIRE(later);
  CHECK(later->claim.epoch > early->claim.epoch);
  CHECK(db->store_fragments(early->claim, some_fragments()).error().code == errc::stale);
}

TEST_CASE_METHOD(test::storage, "starts with an upload count, and leave one for when it is whole", "[database]") {
  REQUIRE(db->open_video(a, {"title", "", "", "", 10, 1, 10}, false));
  REQUIRE(db->preview_job(a, "me/1", "", 30s));
  auto second = db->preview_job(a, "me/2", "", 30s);
  REQUIRE(second);
  CHECK(second->video.attempts == 2);
  CHECK(db->preview_job(a, "me/3", "", 30s).error().code == errc::incomplete);
  SECTION("whole, it is tried once more") {
    REQUIRE(db->add_chunk(a, 0, 10));
    REQUIRE(db->finalize(a));
    CHECK(db->claim_job(a, "me/3", "", 30s)->video.attempts == 3);
    CHECK(db->claim_job(a, "me/4", "", 30s).error().code == errc::conflict);
    CHECK(db->get(a)->status == video_status::failed);
  }
  SECTION("a fragment shows that it goes on") {
    REQUIRE(db->store_fragments(second->claim, some_fragments()));
    CHECK(db->preview_job(a, "me/3", "", 30s)->video.attempts == 1);
  }
  SECTION("one that is given back does not count") {
    REQUIRE(db->release(second->claim));
    CHECK(db->preview_job(a, "me/3", "", 30s)->video.attempts == 2);
  }
}

TEST_CASE_METHOD(test::storage, "no upload is begun beside a video that is tried alone, nor the other way round",
                 "[database]") {
  queued(a);
  REQUIRE(db->open_video(b, {"title", "", "", "", 10, 1, 10}, false));
  REQUIRE(db->claim_job(a, "me/1", "", 30s));
  REQUIRE(db->claim_job(a, "me/2", "", 30s));
  SECTION("the video is first") {
    REQUIRE(db->claim_job(a, "me/3", "", 30s)->video.attempts == 3);
    CHECK(db->preview_job(b, "me/4", "", 30s).error().code == errc::conflict);
  }
  SECTION("the upload is first") {
    auto early = db->preview_job(b, "me/4", "", 30s);
    REQUIRE(early);
    CHECK(db->renew(early->claim, 30s));
    CHECK(db->claim_job(a, "me/3", "", 30s).error().code == errc::conflict);
    SECTION("and has a fragment") {
      REQUIRE(db->store_fragments(early->claim, some_fragments()));
      CHECK(db->renew(early->claim, 30s));
    }
    SECTION("and does not keep the video waiting for one") {
      CHECK(db->renew(early->claim, 30s).error().code == errc::conflict);
      REQUIRE(db->release(early->claim));
    }
    CHECK(db->claim_job(a, "me/3", "", 30s));
  }
}

TEST_CASE_METHOD(test::storage, "a job goes from its claim to completion", "[database]") {
  queued(a);
  auto job = db->claim_job(a, "me", "http://me", 30s);
  REQUIRE(job);
  CHECK(job->video.status == video_status::processing);
  CHECK(job->video.attempts == 1);
  CHECK_FALSE(job->planned);
  CHECK(job->fragments.empty());
  CHECK(last_event_data()["attempt"] == 1);

  auto analysis = test::make_analysis(2);
  analysis.plan.source.video = media::video_stream{};
  analysis.plan.source.video->codec = "h264";
  analysis.plan.source.video->width = 1440;
  analysis.plan.source.video->height = 1080;
  analysis.plan.source.video->sample_aspect = {4, 3};
  analysis.plan.source.video->rotation = 90;
  analysis.plan.source.duration = 4;
  analysis.plan.source.warnings = {"The end is cut off."};
  REQUIRE(db->store_plan(job->claim, analysis));
  REQUIRE(db->store_fragments(job->claim, some_fragments()));
  CHECK_FALSE(db->get(a)->has_poster);
  REQUIRE(db->store_fragments(job->claim, {{std::string{media::poster_id}, 1, 0, 0, 30}}));
  CHECK(db->get(a)->has_poster);
  CHECK(db->get(a)->attempts == 0);
  REQUIRE(db->store_progress(job->claim, {"encoding", 1, 2, {{"720p", 1, 2, {{0, 0}}, {1}}}, 3.5, {{0, 2.5}}}));
  CHECK(db->get(a)->progress == progress{"encoding", 1, 2, {{"720p", 1, 2, {{0, 0}}, {1}}}, 3.5, {{0, 2.5}}});
  auto data = last_event_data();
  CHECK(data["kind"] == "progress");
  CHECK(data["progress"]["segments_done"] == 1);
  CHECK(data["progress"]["renditions"][0]["name"] == "720p");
  CHECK(data["progress"]["eta_seconds"] == 3.5);

  auto video = db->complete(job->claim);
  REQUIRE(video);
  CHECK(video->status == video_status::completed);
  CHECK(video->width == 1080);
  CHECK(video->height == 1920);
  CHECK(video->duration == 4);
  CHECK(video->codec == "h264");
  CHECK(video->actual_mime_type == "video/mp4");
  CHECK(video->has_poster);
  CHECK(video->error == "The end is cut off.");
  CHECK(kinds() == strings{"created", "queued", "started", "completed"});
  CHECK(*db->fragments(a) == some_fragments());
}

TEST_CASE_METHOD(test::storage, "a video is completed once", "[database]") {
  queued(a);
  auto mine = claimed(a);
  REQUIRE(db->complete(mine));
  CHECK(db->complete(mine)->status == video_status::completed);
  CHECK(db->fail_job(mine, "late").error().code == errc::stale);
  CHECK(db->release(mine).error().code == errc::stale);
  CHECK(db->store_progress(mine, {}).error().code == errc::stale);
  CHECK(db->claim_job(a, "other", "", 30s).error().code == errc::conflict);
  auto all = kinds();
  CHECK(std::count(all.begin(), all.end(), "completed") == 1);
  CHECK(all.back() == "completed");
}

TEST_CASE_METHOD(test::storage, "a live claim keeps others out, an expired one does not", "[database]") {
  queued(a);
  auto mine = claimed(a, "me");
  CHECK(db->claim_job(a, "other", "", 30s).error().code == errc::conflict);
  wall += 20s;
  REQUIRE(db->renew(mine, 30s));
  wall += 20s;
  CHECK(db->claim_job(a, "other", "", 30s).error().code == errc::conflict);
  wall += 11s;
  // Nobody has taken over yet: the late owner goes on.
  CHECK(db->renew(mine, 1s));
  wall += 2s;
  auto theirs = db->claim_job(a, "other", "", 30s);
  REQUIRE(theirs);
  CHECK(theirs->claim.epoch > mine.epoch);
}

TEST_CASE_METHOD(test::storage, "who wakes up late changes nothing", "[database]") {
  queued(a);
  auto late = claimed(a, "late");
  wall += 31s;
  auto job = db->claim_job(a, "now", "", 30s);
  REQUIRE(job);
  auto events = *db->last_event();
  auto before = *db->get(a);
  CHECK(db->renew(late, 30s).error().code == errc::stale);
  CHECK(db->release(late).error().code == errc::stale);
  CHECK(db->store_plan(late, test::make_analysis(2)).error().code == errc::stale);
  CHECK(db->store_fragments(late, some_fragments()).error().code == errc::stale);
  CHECK(db->remove_fragments(late, some_fragments()).error().code == errc::stale);
  CHECK(db->store_progress(late, {}).error().code == errc::stale);
  CHECK(db->complete(late).error().code == errc::stale);
  CHECK(db->fail_job(late, "x").error().code == errc::stale);
  CHECK(*db->get(a) == before);
  CHECK(*db->last_event() == events);
  CHECK(db->fragments(a)->empty());
}

TEST_CASE_METHOD(test::storage, "a claim on a video that was deleted and begun anew is stale", "[database]") {
  queued(a);
  auto old = claimed(a);
  REQUIRE(db->remove(a));
  CHECK(db->complete(old).error().code == errc::stale);
  queued(a);
  CHECK(claimed(a).epoch != old.epoch);
  CHECK(db->complete(old).error().code == errc::stale);
  CHECK(db->get(a)->status == video_status::processing);
}

TEST_CASE_METHOD(test::storage, "a process takes its own live claim over, the earlier one is stale then",
                 "[database]") {
  queued(a);
  auto first = claimed(a, "me/1");
  auto second = claimed(a, "me/2");
  CHECK(db->renew(first, 30s).error().code == errc::stale);
  CHECK(db->renew(second, 30s));
}

TEST_CASE_METHOD(test::storage, "a claim that is asked for again after a lost answer is one start", "[database]") {
  queued(a);
  auto mine = claimed(a, "me/1");
  for (auto i = 0; i < 5; ++i) {
    wall += 20s;
    auto again = db->claim_job(a, "me/1", "", 30s);
    REQUIRE(again);
    CHECK(again->claim == mine);
    CHECK(again->video.attempts == 1);
  }
  auto all = kinds();
  CHECK(std::count(all.begin(), all.end(), "started") == 1);
}

TEST_CASE_METHOD(test::storage, "a video that ends the server takes no other along", "[database]") {
  queued(a);
  queued(b);
  for (auto start = 0; start < 2; ++start) {
    claimed(a, "process/a" + std::to_string(start));
    claimed(b, "process/b" + std::to_string(start));
    wall += 31s; // it was killed
  }
  claimed(a, "process/a2");
  CHECK(db->claim_job(b, "process/b2", "", 30s).error().code == errc::conflict);
  wall += 31s;
  CHECK(db->claim_job(a, "process/a3", "", 30s).error().code == errc::conflict);
  CHECK(db->get(a)->status == video_status::failed);

  // The innocent one has a start left, and the next one waits until it has shown that it is.
  auto other = claimed(b, "process/b2");
  auto c = test::hash_of('c');
  queued(c);
  CHECK(db->claim_job(c, "process/c", "", 30s).error().code == errc::conflict);
  REQUIRE(db->store_fragments(other, some_fragments()));
  CHECK(db->claim_job(c, "process/c", "", 30s));
}

TEST_CASE_METHOD(test::storage, "videos that are to be tried alone have the next turns, the oldest first",
                 "[database]") {
  auto c = test::hash_of('c');
  auto d = test::hash_of('d');
  for (auto& each : {a, b, c, d})
    queued(each);
  for (auto start = 0; start < 2; ++start) {
    claimed(a, "process/a" + std::to_string(start));
    claimed(b, "process/b" + std::to_string(start));
    wall += 31s; // it was killed
  }
  auto refused = [&](const std::string& video) {
    auto answer = db->claim_job(video, "process/again", "", 30s);
    return !answer && answer.error().code == errc::conflict;
  };
  auto before = claimed(c, "process/c");
  CHECK(refused(b));
  CHECK(refused(a));
  CHECK(refused(d)); // else there would always be somebody
  REQUIRE(db->store_fragments(before, some_fragments()));
  CHECK(refused(b)); // a is older
  auto first = claimed(a, "process/a2");
  CHECK(refused(b));
  REQUIRE(db->store_fragments(first, some_fragments()));
  CHECK(refused(d));
  SECTION("and then the others") {
    auto second = claimed(b, "process/b2");
    CHECK(refused(d));
    REQUIRE(db->store_fragments(second, some_fragments()));
    CHECK(db->claim_job(d, "process/d", "", 30s));
  }
  SECTION("a turn that nobody takes is over in a while") {
    wall += 11s;
    CHECK(db->claim_job(d, "process/d", "", 30s));
  }
}

TEST_CASE_METHOD(test::storage, "the 4th start without a fragment in between ends the video as failed", "[database]") {
  queued(a);
  for (std::uint32_t start = 1; start <= 3; ++start) {
    auto job = db->claim_job(a, "process " + std::to_string(start), "", 30s);
    REQUIRE(job);
    CHECK(job->video.attempts == start);
    wall += 31s; // it was killed
  }
  auto fourth = db->claim_job(a, "process 4", "", 30s);
  REQUIRE_FALSE(fourth);
  CHECK(fourth.error().code == errc::conflict);
  auto video = db->get(a);
  CHECK(video->status == video_status::failed);
  CHECK_FALSE(video->error.empty());
  CHECK(last_event_data()["kind"] == "failed");
  CHECK(last_event_data()["error"] == video->error);
}

TEST_CASE_METHOD(test::storage, "a stored fragment and a claim given back reset or lower the count of starts",
                 "[database]") {
  queued(a);
  for (auto i = 0; i < 10; ++i) {
    auto mine = claimed(a, "process " + std::to_string(i));
    REQUIRE(db->store_fragments(mine, some_fragments()));
    wall += 31s;
  }
  for (auto i = 0; i < 10; ++i) {
    auto mine = claimed(a);
    REQUIRE(db->release(mine));
    CHECK(db->get(a)->status == video_status::queued);
    CHECK(db->get(a)->attempts == 0);
    CHECK(db->release(mine).error().code == errc::stale);
  }
  CHECK(jobs() == strings{a});
}

TEST_CASE_METHOD(test::storage, "a job goes on where the one before ended", "[database]") {
  queued(a);
  auto analysis = test::make_analysis(3);
  auto first = claimed(a);
  REQUIRE(db->store_plan(first, analysis));
  REQUIRE(db->store_fragments(first, some_fragments()));
  REQUIRE(db->store_fragments(first, some_fragments()));
  reopen();
  wall += 31s;
  auto job = db->claim_job(a, "other", "", 30s);
  REQUIRE(job);
  CHECK(job->planned);
  CHECK(job->plan == analysis.plan);
  CHECK(job->segments == analysis.segments);
  CHECK(job->fragments == some_fragments());

  REQUIRE(db->remove_fragments(job->claim, {some_fragments().front()}));
  CHECK(*db->fragments(a) == std::vector{some_fragments().back()});
}

TEST_CASE_METHOD(test::storage, "another plan forgets the fragments that it doesn't name", "[database]") {
  queued(a);
  auto mine = claimed(a);
  auto analysis = test::make_analysis(3);
  REQUIRE(db->store_plan(mine, analysis));
  REQUIRE(db->store_fragments(mine, some_fragments()));
  analysis.plan.renditions.front().id = "720p-0000beef";
  REQUIRE(db->store_plan(mine, analysis));
  CHECK(*db->fragments(a) == std::vector{some_fragments().back()});
}

TEST_CASE_METHOD(test::storage, "a failed job says why, once", "[database]") {
  queued(a);
  auto mine = claimed(a);
  REQUIRE(db->fail_job(mine, "It is no video."));
  REQUIRE(db->fail_job(mine, "It is no video."));
  CHECK(db->get(a)->error == "It is no video.");
  auto all = kinds();
  CHECK(std::count(all.begin(), all.end(), "failed") == 1);
  CHECK(db->claim_job(a, "other", "", 30s).error().code == errc::conflict);
  CHECK(db->claim_job(hash_of('b'), "other", "", 30s).error().code == errc::not_found);
}
