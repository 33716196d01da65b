// Jobs whose source is still being uploaded.

#include "tests/actors/transcode_job_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::arriving_fixture;
using test::piece;

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

TEST_CASE_METHOD(arriving_fixture, "an upload is held back while viewers wait, or for the first look at it",
                 "[transcode_job]") {
  start();
  CHECK(session->hurried);
  advance(2s);
  CHECK_FALSE(session->hurried);
  const auto id = wish(4, "me");
  REQUIRE(id);
  run();
  CHECK(session->hurried);
  tell(job, abort_atom_v, config.video_hash, *id);
  CHECK_FALSE(session->hurried);
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

TEST_CASE_METHOD(arriving_fixture, "who comes back to where it stopped has sought", "[transcode_job]") {
  begin_and_analyze();
  REQUIRE(wish(0, "back"));
  arrives(piece + piece / 2);
  const auto away = GENERATE(2s, 20s);
  advance(away);
  REQUIRE(wish(1, "back"));
  REQUIRE(wish(5, "seeks"));
  run();
  REQUIRE(session->wanted.size() == 2);
  CHECK(session->wanted[0].begin == (away > 10s ? 1 : 5) * piece);
}

TEST_CASE_METHOD(arriving_fixture, "who has waited long for what it plays has not sought", "[transcode_job]") {
  begin_and_analyze();
  auto played = request(job, await_atom_v, config.video_hash, *wish(1, "late"));
  advance(20s);
  CHECK_FALSE(played.answered());
  arrives(2 * piece + piece / 2);
  advance(5s);
  CHECK(played.get<void>());
  REQUIRE(wish(2, "late"));
  REQUIRE(wish(5, "seeks"));
  run();
  REQUIRE(session->wanted.size() == 2);
  CHECK(session->wanted[0].begin == 5 * piece);
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
