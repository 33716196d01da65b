// What the dispatcher does for viewers.

#include "tests/actors/dispatcher_fixture.hpp"

#include <optional>
#include <utility>

using namespace vp;
using namespace std::chrono_literals;
using test::dispatcher_fixture;
using test::video_a;
using test::video_b;

TEST_CASE_METHOD(dispatcher_fixture, "what an order wants first comes first", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto order = open(test::make_order(video_a, 9), {{6, 0b010}});
  advance(1s);
  REQUIRE(order.log->numbers() == std::vector<std::uint32_t>{6});
  CHECK(order.log->results[0].fragments.size() == 1);
}

TEST_CASE_METHOD(dispatcher_fixture,
                 "what an order wants first is made at once by those for viewers, by the last just sound",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto viewers = add_on_demand();
  auto viewers_too = add_on_demand();
  auto order = open(test::make_order(video_a, 9), {{6, 0b010}, {7, 0b010}, {6, 0b100}});
  run();
  CHECK(viewers.script->segments == begun{{video_a, 6}});
  CHECK(viewers_too.script->segments == begun{{video_a, 6}});
  CHECK(ordinary.script->segments == begun{{video_a, 7}});
}

TEST_CASE_METHOD(dispatcher_fixture, "while somebody watches, one encoder is kept free", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  add_encoder(script);
  add_encoder(script);
  auto busy = [&] {
    auto encoders = ask<dispatcher_status>(dispatcher, status_atom_v)->encoders;
    return std::count_if(encoders.begin(), encoders.end(), [](const auto& x) { return x.busy; });
  };
  auto order = open(video_a, 200);
  run();
  CHECK(busy() == 2);
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{{100, 0b001}}, {}});
  advance(3s);
  REQUIRE(busy() == 1);
  // So the next one does not have to wait.
  auto before = script->segments.size();
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{{150, 0b001}}, {}});
  run();
  CHECK(busy() == 2);
  REQUIRE(script->segments.size() == before + 1);
  CHECK(script->segments.back().second == 150);
  advance(config.watching + 2s);
  CHECK(busy() == 2);
}

namespace {

/// Nothing of it has arrived; what viewers then wait for is still on its way.
job_order arriving(std::uint32_t segments) {
  auto what = test::make_order(video_a, segments);
  for (auto& cell : what.cells)
    cell.ready = 0;
  return what;
}

viewer_needs early(std::vector<cell_part> parts, std::uint32_t reading) {
  const auto count = static_cast<std::uint32_t>(parts.size());
  return {parts, {}, count, 0, parts, reading};
}

} // namespace

TEST_CASE_METHOD(dispatcher_fixture, "what comes to nothing of a source that is on its way is nobody's failure",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto viewers = add_on_demand();
  viewers.script->fault = [](const std::string&, std::uint32_t) { return error{errc::broken_media, "spoiled"}; };
  auto order = open(arriving(3));
  tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}}, 7));
  advance(5s);
  CHECK(viewers.script->segments == begun{{video_a, 1}});
  CHECK(viewers.script->readings == std::vector<std::uint32_t>{7});
  SECTION("and is made again when it has arrived") {
    viewers.script->fault = nullptr;
    tell(dispatcher, ready_atom_v, video_a, std::vector<cell_part>{{1, 0b001}});
    advance(5s);
    CHECK(viewers.script->readings == std::vector<std::uint32_t>{7, 0});
    CHECK(order.fragments() == 1);
  }
  SECTION("and is read early again when it comes anew") {
    tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}}, 7));
    CHECK(viewers.script->readings.size() == 1);
    tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}}, 8));
    CHECK(viewers.script->readings == std::vector<std::uint32_t>{7, 8});
  }
  CHECK(ordinary.script->segments.empty());
  const auto status = ask<dispatcher_status>(dispatcher, status_atom_v);
  REQUIRE(status);
  for (const auto& encoder : status->encoders)
    CHECK(encoder.failures == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "who has no time for what is on its way leaves it to another", "[dispatcher]") {
  start();
  auto busy = add_on_demand();
  busy.script->fault = [](const std::string&, std::uint32_t) { return error{errc::overloaded, "busy"}; };
  busy.script->takes = 10ms;
  auto order = open(arriving(3));
  tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}}, 7));
  advance(20ms);
  CHECK(busy.script->readings == std::vector<std::uint32_t>{7});
  auto other = add_on_demand();
  run();
  CHECK(other.script->readings == std::vector<std::uint32_t>{7});
}

TEST_CASE_METHOD(dispatcher_fixture, "nobody waits for those that wait for what is on its way", "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto waiting = add_two_on_demand(100s);
  auto order = open(arriving(9));
  tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}, {2, 0b001}}, 7));
  REQUIRE(waiting->segments.size() == 2);
  tell(dispatcher, ready_atom_v, video_a, std::vector<cell_part>{{5, 0b111}});
  ordinary.script->takes = 100s;
  run();
  REQUIRE(ordinary.script->segments == begun{{video_a, 5}}); // as nobody waits for it yet
  ordinary.script->takes = 1s;
  tell(dispatcher, ready_atom_v, video_a, std::vector<cell_part>{{6, 0b111}});
  auto needs = early({{1, 0b001}, {2, 0b001}}, 7);
  needs.urgent.push_back({5, 0b001});
  needs.urgent.push_back({6, 0b001});
  needs.sought = 4;
  tell(dispatcher, want_atom_v, video_a, needs);
  run();
  CHECK(ordinary.script->cancels == 1);
  REQUIRE(ordinary.script->segments.size() == 2);
  CHECK(order.log->results.empty());
  advance(3s);
  CHECK(order.fragments() >= 2);
}

TEST_CASE_METHOD(dispatcher_fixture, "encoders for viewers do what these can't wait for, and nothing else",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto first = add_on_demand();
  auto second = add_on_demand();
  ordinary.script->takes = 10s;
  auto order = open(video_a, 200);
  run();
  CHECK(ordinary.script->segments == begun{{video_a, 0}});
  wish({{100, 0b001}}, {{101, 0b001}});
  CHECK(first.script->segments == begun{{video_a, 100}});
  CHECK(second.script->segments.empty());
  wish({{100, 0b001}, {150, 0b001}, {160, 0b001}, {170, 0b001}}, {{101, 0b001}});
  CHECK(second.script->segments == begun{{video_a, 150}});
  // Of more than these can do at once it takes the rest, and else what is wanted later.
  advance(10s);
  CHECK(first.script->segments.size() + second.script->segments.size() == 4);
  REQUIRE(ordinary.script->segments.size() == 2);
  CHECK(ordinary.script->segments.back().second == 101);
  wish({});
  advance(20s);
  CHECK(ordinary.script->segments.size() == 4); // it is not kept free
  CHECK(first.script->segments.size() + second.script->segments.size() == 4);
}

TEST_CASE_METHOD(dispatcher_fixture, "the last free encoder for viewers is kept for whoever seeks", "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto first = add_on_demand();
  auto second = add_on_demand();
  ordinary.script->takes = first.script->takes = 10s;
  auto order = open(video_a, 200);
  wish({{100, 0b001}, {101, 0b001}, {0, 0b001}}, {}, 0);
  CHECK(first.script->segments == begun{{video_a, 100}});
  CHECK(second.script->segments.empty());
  CHECK(ordinary.script->cancels == 0);
  wish({{150, 0b001}, {101, 0b001}, {0, 0b001}}, {}, 1);
  CHECK(second.script->segments == begun{{video_a, 150}});
  advance(2s);
  CHECK(second.script->segments.size() == 1); // the last one again
  auto another = add_encoder();
  run();
  CHECK(another.script->segments.front().second == 101); // an ordinary one does it
}

namespace {

/// The ordinary encoder is busy with the first segment of a video, and of two for viewers one looks at an upload.
struct looking_fixture : dispatcher_fixture {
  looking_fixture() {
    start();
    ordinary = add_encoder();
    ordinary.script->takes = 100s;
    order = open(video_a, 200);
    run();
    script = add_two_on_demand(100s);
    asked.emplace(look_at_upload());
    run();
    REQUIRE(script->analyses == 1);
    REQUIRE_FALSE(asked->answered());
  }

  one_encoder ordinary;
  one_order order;
  std::shared_ptr<test::encoder_script> script; ///< of those for viewers
  std::optional<decltype(std::declval<dispatcher_fixture&>().look_at_upload())> asked;
};

} // namespace

TEST_CASE_METHOD(looking_fixture, "while one for viewers looks at an upload, the other one does all they want",
                 "[dispatcher]") {
  wish({{100, 0b001}}, {}, 0);
  CHECK(script->segments == begun{{video_a, 100}});
}

TEST_CASE_METHOD(dispatcher_fixture, "nobody makes way for more than those for viewers can do", "[dispatcher]") {
  start();
  auto ordinary = std::make_shared<test::encoder_script>();
  ordinary->takes = 100s;
  add_encoder(ordinary);
  add_encoder(ordinary);
  auto viewers = add_on_demand();
  auto order = open(video_a, 200);
  advance(1s);
  REQUIRE(ordinary->segments.size() == 2);
  const auto other = ordinary->segments.back().second;
  // Both before the first one has let go.
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{{0, 0b001}}, {}, 1});
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{{0, 0b001}, {other, 0b001}}, {}, 2});
  run();
  CHECK(ordinary->cancels == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "what a player wants soon gets out of a task that has just begun",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto first = add_on_demand();
  auto second = add_on_demand();
  ordinary.script->takes = 10s;
  auto order = open(video_a, 2);
  const auto early = GENERATE(true, false);
  advance(early ? 400ms : 600ms);
  wish({}, {{0, 0b001}, {1, 0b001}}, 0, 1);
  CHECK(ordinary.script->cancels == (early ? 1 : 0));
  CHECK(first.script->segments.size() == (early ? 1 : 0));
  CHECK(second.script->segments.empty());
  wish({});
  advance(60s);
  CHECK(order.fragments() == 6);
}

TEST_CASE_METHOD(dispatcher_fixture, "one for viewers that is alone is kept for nobody", "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto viewers = add_on_demand();
  ordinary.script->takes = 10s;
  auto order = open(video_a, 200);
  wish({{100, 0b001}}, {}, 0);
  CHECK(viewers.script->segments == begun{{video_a, 100}});
}

TEST_CASE_METHOD(dispatcher_fixture, "a video ends wherever viewers have been", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  add_encoder(script);
  add_encoder(script);
  add_on_demand();
  add_on_demand();
  auto order = open(video_a, 20);
  for (auto segment = 1U; segment < 20; segment += 3) {
    wish({{segment, 0b111}, {segment / 2, 0b010}}, {}, segment % 2);
    advance(500ms);
  }
  wish({});
  advance(60s);
  CHECK(order.fragments() == 60);
}

TEST_CASE_METHOD(dispatcher_fixture, "a video ends wherever a drained encoder was", "[dispatcher]") {
  start();
  auto stays = add_encoder();
  auto drained = add_encoder(std::make_shared<test::encoder_script>(), "drained");
  drained.script->takes = 10s;
  auto order = open(video_a, 7);
  advance(500ms);
  REQUIRE(ask<std::uint32_t>(dispatcher, drain_atom_v, std::string{"drained"}));
  advance(60s);
  CHECK(sorted(order.log->numbers()) == numbers_to(7));
}

TEST_CASE_METHOD(dispatcher_fixture, "a task is not interrupted where nobody is free for what it holds back",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto viewers = add_on_demand();
  ordinary.script->takes = viewers.script->takes = 10s;
  auto order = open(video_a, 200);
  advance(1s);
  wish({{100, 0b001}, {0, 0b001}});
  CHECK(viewers.script->segments == begun{{video_a, 100}});
  CHECK(ordinary.script->cancels == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "where those for viewers are drained, others do what these can't wait for",
                 "[dispatcher]") {
  start();
  auto viewers = add_encoder(std::make_shared<test::encoder_script>(), "local", true);
  auto remote = add_encoder(std::make_shared<test::encoder_script>(), "remote");
  auto order = open(video_a, 200);
  REQUIRE(ask<std::uint32_t>(dispatcher, drain_atom_v, std::string{"local"}));
  wish({{100, 0b001}});
  advance(2s);
  CHECK(viewers.script->segments.empty());
  REQUIRE(remote.script->segments.size() >= 2);
  CHECK(remote.script->segments[1].second == 100);
}

TEST_CASE_METHOD(dispatcher_fixture, "one that is for viewers makes nobody free for what a process died of",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  add_on_demand();
  ordinary.script->fault = [](const std::string&, std::uint32_t segment) -> std::optional<error> {
    return segment == 1 ? std::optional{error{errc::crashed, "crashed"}} : std::nullopt;
  };
  auto order = open(video_a, 3);
  advance(2s);
  // Its place is taken by a fresh one.
  auto fresh = add_encoder();
  advance(10s);
  CHECK(sorted(order.log->numbers()) == numbers_to(3));
  CHECK(order.log->failures.empty());
}

TEST_CASE_METHOD(dispatcher_fixture, "an upload is looked at by an encoder for viewers where all others are busy",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto first = add_on_demand();
  ordinary.script->takes = 100s;
  auto order = open(video_a, 9);
  run();
  auto asked = look_at_upload();
  advance(3s);
  CHECK(first.script->analyses == 0); // the last free one
  auto second = add_on_demand();
  advance(3s);
  CHECK(first.script->analyses + second.script->analyses == 1);
  CHECK(asked.get<media::analysis>());
  CHECK(ordinary.script->analyses == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "what is urgent gets out of a task for more, once", "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto viewers = add_on_demand();
  ordinary.script->takes = 10s;
  auto order = open(video_a, 3);
  advance(1s);
  wish({}, {{0, 0b001}});
  CHECK(ordinary.script->cancels == 0);
  wish({{0, 0b001}});
  CHECK(ordinary.script->cancels == 1);
  CHECK(viewers.script->segments == begun{{video_a, 0}});
  advance(2s);
  REQUIRE(order.log->numbers() == std::vector<std::uint32_t>{0});
  CHECK(order.log->results[0].fragments.size() == 1);
  // What else there is of it is made later, and is nobody's failure or loss.
  wish({{0, 0b010}});
  wish({});
  advance(60s);
  CHECK(ordinary.script->cancels == 1);
  CHECK(config.metrics->failures.Value() == 0);
  CHECK(config.metrics->losses.Value() == 0);
  CHECK(order.fragments() == 9);
}

TEST_CASE_METHOD(dispatcher_fixture, "what nobody wants any more makes way for whoever seeks", "[dispatcher]") {
  start();
  auto script = add_two_on_demand(10s);
  auto order = open(test::make_order(video_a, 200), {{0, 0b100}});
  wish({{100, 0b001}});
  REQUIRE(script->segments == begun{{video_a, 0}, {video_a, 100}});
  wish({{100, 0b001}, {150, 0b001}});
  CHECK(script->cancels == 0); // the other one is wanted first
  advance(11s);
  REQUIRE(script->segments.back() == std::pair{video_a, 150U});
  wish({{150, 0b001}, {160, 0b001}});
  REQUIRE(script->segments.size() == 4);
  wish({{170, 0b001}, {160, 0b001}}, {}, 0);
  CHECK(script->cancels == 0); // for nobody has sought
  wish({{170, 0b001}, {160, 0b001}});
  CHECK(script->cancels == 1);
  CHECK(script->segments.back() == std::pair{video_a, 170U});
  wish({{170, 0b001}, {160, 0b001}, {180, 0b001}});
  CHECK(script->cancels == 1);
  // What was ended is made as anything else, and is nobody's failure or loss.
  auto ordinary = add_encoder();
  wish({});
  advance(300s);
  CHECK(order.fragments() == 600);
  CHECK(config.metrics->failures.Value() == 0);
  CHECK(config.metrics->losses.Value() == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "what nobody wants any more makes way for seekers of any video", "[dispatcher]") {
  start();
  auto script = add_two_on_demand(10s);
  auto order = open(video_a, 200);
  auto other = open(video_b, 200);
  wish({{100, 0b001}, {110, 0b001}});
  REQUIRE(script->segments.size() == 2);
  wish({{110, 0b001}});
  wish({{150, 0b001}}, {}, 1, 0, video_b);
  CHECK(script->cancels == 1);
  CHECK(script->segments.back() == std::pair{video_b, 150U});
}

TEST_CASE_METHOD(dispatcher_fixture, "what nobody wants any more makes way for who is held back among other renditions",
                 "[dispatcher]") {
  start();
  auto ordinary = add_encoder();
  auto script = add_two_on_demand(10s);
  ordinary.script->takes = 10s;
  auto order = open(video_a, 200);
  run();
  REQUIRE(ordinary.script->segments == begun{{video_a, 0}});
  wish({{100, 0b001}, {110, 0b001}});
  wish({{110, 0b001}});
  wish({{110, 0b001}, {0, 0b001}}, {}, 1);
  CHECK(script->cancels == 0); // nobody has sought to it
  wish({{110, 0b001}, {0, 0b001}});
  CHECK(script->cancels == 1);
  CHECK(ordinary.script->cancels == 1);
  CHECK(script->segments == begun{{video_a, 100}, {video_a, 110}, {video_a, 0}});
}

TEST_CASE_METHOD(looking_fixture, "what makes way for a seeker is not given to somebody else", "[dispatcher]") {
  wish({{100, 0b001}});
  REQUIRE(script->segments == begun{{video_a, 100}});
  SECTION("who plays on") {
    wish({{0, 0b001}, {1, 0b001}}, {}, 1);
  }
  SECTION("who plays on in another rendition of the same") {
    wish({{0, 0b001}, {0, 0b010}}, {}, 1);
  }
  CHECK(script->cancels == 1);
  CHECK(ordinary.script->cancels == 1);
  CHECK(script->segments == begun{{video_a, 100}, {video_a, 0}});
  CHECK_FALSE(asked->answered());
}

TEST_CASE_METHOD(dispatcher_fixture, "what is on its way makes way for whoever seeks, too", "[dispatcher]") {
  start();
  auto script = add_two_on_demand(100s);
  auto order = open(arriving(9));
  tell(dispatcher, want_atom_v, video_a, early({{1, 0b001}, {2, 0b001}}, 7));
  REQUIRE(script->segments.size() == 2);
  tell(dispatcher, want_atom_v, video_a, early({{2, 0b001}, {3, 0b001}}, 7));
  run();
  CHECK(script->cancels == 1);
  CHECK(script->segments.back() == std::pair{video_a, 3U});
}

TEST_CASE_METHOD(dispatcher_fixture, "one that is drained makes way for nobody", "[dispatcher]") {
  start();
  auto script = add_two_on_demand(10s);
  auto order = open(video_a, 200);
  wish({{100, 0b001}, {110, 0b001}});
  REQUIRE(script->segments.size() == 2);
  REQUIRE(ask<std::uint32_t>(dispatcher, drain_atom_v, std::string{"node"}));
  wish({{150, 0b001}});
  CHECK(script->cancels == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "what an order wants first keeps nobody free", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  add_encoder(script);
  add_encoder(script);
  auto order = open(test::make_order(video_a, 200), {{6, 0b010}});
  run();
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{}, {}});
  advance(3s);
  auto encoders = ask<dispatcher_status>(dispatcher, status_atom_v)->encoders;
  CHECK(std::ranges::all_of(encoders, [](const auto& x) { return x.busy; }));
}

TEST_CASE_METHOD(dispatcher_fixture, "who is alone is not kept free", "[dispatcher]") {
  start();
  add_encoder();
  auto order = open(video_a, 200);
  tell(dispatcher, want_atom_v, video_a, viewer_needs{{{100, 0b001}}, {}});
  advance(4s);
  CHECK(order.log->results.size() >= 3);
}
