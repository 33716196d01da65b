#include "tests/actors/dispatcher_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::dispatcher_fixture;
using test::video_a;
using test::video_b;

TEST_CASE_METHOD(dispatcher_fixture, "one encoder does all segments in order with one seek", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto order = open(video_a, 9);
  advance(9s);
  CHECK(order.log->numbers() == numbers_to(9));
  CHECK(encoder.script->seeks == 1);
  CHECK(encoder.script->overlaps == 0);
  CHECK(config.metrics->segments.Value() == 9);
  CHECK(config.metrics->encoders_busy.Value() == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "two encoders seek once each", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  add_encoder(script);
  add_encoder(script);
  for (auto segments : {2U, 5U, 9U, 40U}) {
    auto before = script->seeks;
    auto order = open(std::string(64, static_cast<char>('0' + segments % 10)), segments);
    advance(60s);
    CHECK(sorted(order.log->numbers()) == numbers_to(segments));
    CHECK(script->seeks - before == 2);
  }
}

TEST_CASE_METHOD(dispatcher_fixture, "an encoder that is twice as fast takes more, for few more seeks",
                 "[dispatcher]") {
  start();
  auto slow = add_encoder();
  auto fast = add_encoder();
  slow.script->takes = 2s;
  auto order = open(video_a, 60);
  advance(45s); // 40 s is the least that is possible.
  CHECK(sorted(order.log->numbers()) == numbers_to(60));
  CHECK(fast.script->segments.size() > 35);
  CHECK(slow.script->seeks + fast.script->seeks <= 6);
}

TEST_CASE_METHOD(dispatcher_fixture, "many videos share the encoders fairly", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  add_encoder(script);
  add_encoder(script);
  std::vector<one_order> orders;
  for (char c = '0'; c < '8'; ++c)
    orders.push_back(open(test::hash_of(c), 40));
  // 160 segments in 80 s: 20 of each video, give or take a run on each encoder.
  advance(80s);
  for (auto& order : orders) {
    CHECK(order.log->results.size() >= 12);
    CHECK(order.log->results.size() <= 28);
  }
  // Runs of 4 and more are what keeps it cheap.
  CHECK(script->seeks <= 42);
  // A video that comes late does not wait for those before it.
  auto late = open(test::hash_of('f'), 3);
  advance(8s);
  CHECK(late.log->results.size() >= 2);
  advance(200s);
  for (auto& order : orders)
    CHECK(sorted(order.log->numbers()) == numbers_to(40));
  CHECK(late.log->results.size() == 3);
  CHECK(script->overlaps == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "analyses come before segments", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  open(video_a, 10);
  auto found = analyze(video_b);
  REQUIRE(found);
  CHECK(found->segments.size() == 4);
  CHECK(encoder.script->segments.size() <= 5);
}

TEST_CASE_METHOD(dispatcher_fixture, "no more segments are started than may wait to be stored", "[dispatcher]") {
  start();
  add_encoder();
  auto order = open(video_a, 10);
  order.log->stores = false;
  // The first was started before the test could say so.
  advance(60s);
  auto started = order.log->results.size();
  CHECK(started == 3); // One encoder and two more.
  tell(dispatcher, store_atom_v, video_a, 0U);
  tell(dispatcher, store_atom_v, video_a, 0U); // Again is harmless.
  advance(60s);
  CHECK(order.log->results.size() == started + 1);
  order.log->stores = true;
  tell(dispatcher, store_atom_v, video_a, 2U); // Out of order is harmless.
  tell(dispatcher, store_atom_v, video_a, 1U);
  advance(60s);
  CHECK(order.log->numbers() == numbers_to(10));
}

TEST_CASE_METHOD(dispatcher_fixture, "a segment that fails is tried three times more", "[dispatcher]") {
  start();
  auto script = std::make_shared<test::encoder_script>();
  auto failures = std::make_shared<int>(3);
  script->fault = [failures](const std::string&, std::uint32_t segment) -> std::optional<error> {
    if (segment != 2 || *failures == 0)
      return std::nullopt;
    --*failures;
    return error{errc::encoder_failed, "a bad moment"};
  };
  SECTION("on the only encoder") {
    add_encoder(script);
  }
  SECTION("on several") {
    add_encoder(script);
    add_encoder(script);
    add_encoder(script);
  }
  SECTION("and once too often fails for good, with the reason") {
    *failures = 4;
    add_encoder(script);
    auto order = open(video_a, 5);
    advance(30s);
    REQUIRE(order.log->failures.size() == 1);
    CHECK(order.log->failures[0].first == 2);
    CHECK(order.log->failures[0].second == error{errc::encoder_failed, "a bad moment"});
    CHECK(order.log->results.size() == 4);
    CHECK(config.metrics->failures.Value() == 4);
    return;
  }
  auto order = open(video_a, 5);
  advance(30s);
  CHECK(order.log->failures.empty());
  CHECK(sorted(order.log->numbers()) == numbers_to(5));
}

TEST_CASE_METHOD(dispatcher_fixture, "a segment that one encoder can't do goes to another", "[dispatcher]") {
  start();
  auto broken = add_encoder();
  broken.script->fault = [](const std::string&, std::uint32_t) { return error{errc::encoder_failed, "broken"}; };
  auto good = add_encoder();
  auto order = open(video_a, 20);
  advance(60s);
  CHECK(order.log->failures.empty());
  CHECK(sorted(order.log->numbers()) == numbers_to(20));
  CHECK(good.script->segments.size() == 20);
}

TEST_CASE_METHOD(dispatcher_fixture, "an answer that is not what was asked for counts as a failure", "[dispatcher]") {
  start();
  const auto foreign = GENERATE(false, true);
  auto odd = spawn([foreign](encoder_actor::pointer) -> encoder_actor::behavior_type {
    return {
        [](analyze_atom, const analyze_task&) { return test::make_analysis(1); },
        [foreign](encode_atom, const segment_task& task) {
          auto answer = test::make_result(task);
          if (foreign) { // one too many, which would become a file elsewhere
            answer.fragments.push_back(answer.fragments.back());
            answer.fragments.back().rendition = "../../" + video_b + "/media/720p-0000cafe";
          } else {
            answer.fragments.pop_back();
          }
          return answer;
        },
        [](cancel_atom, const std::string&) {},
        [](renew_atom) {},
    };
  });
  tell(dispatcher, register_atom_v, odd, encoder_info{"node", 1, "run"});
  auto order = open(video_a, 1);
  advance(1s);
  CHECK(order.log->results.empty());
  REQUIRE(order.log->failures.size() == 1);
  CHECK(order.log->failures[0].second.code == errc::internal);
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis with other renditions' init segments is none", "[dispatcher]") {
  start();
  add_encoder().script->analysis = [](const analyze_task&) -> result<media::analysis> {
    auto analysis = test::make_analysis(1);
    analysis.inits.push_back({"/etc", {'i', 'n', 'i', 't'}});
    return analysis;
  };
  auto answer = request(dispatcher, analyze_atom_v, analyze_task{{video_a, "", 1000}, {}});
  advance(1min);
  CHECK(answer.get<media::analysis>().error().code == errc::internal);
}

TEST_CASE_METHOD(dispatcher_fixture, "what a lost encoder held is done by another", "[dispatcher]") {
  start();
  auto first = add_encoder();
  auto second = add_encoder();
  auto order = open(video_a, 9);
  advance(1500ms);
  self->send_exit(first.actor, caf::exit_reason::kill);
  advance(20s);
  CHECK(sorted(order.log->numbers()) == numbers_to(9));
  CHECK(order.log->failures.empty());
  CHECK(config.metrics->losses.Value() == 1);
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.size() == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "an order outlives all its encoders", "[dispatcher]") {
  start();
  auto first = add_encoder();
  auto order = open(video_a, 3);
  advance(500ms);
  self->send_exit(first.actor, caf::exit_reason::kill);
  advance(100s);
  CHECK(order.log->results.empty());
  add_encoder();
  advance(3s);
  CHECK(order.log->numbers() == numbers_to(3));
}

TEST_CASE_METHOD(dispatcher_fixture, "an encoder that never answers is taken for lost", "[dispatcher]") {
  config.segment_timeout = 20s;
  start();
  auto silent = add_encoder();
  silent.script->silent = true;
  auto order = open(video_a, 3);
  advance(19900ms, 1s);
  auto good = add_encoder();
  advance(3s);
  CHECK(sorted(order.log->numbers()) == numbers_to(3));
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.size() == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "a late answer of an encoder that was given up is harmless", "[dispatcher]") {
  config.segment_timeout = 5s;
  start();
  auto slow = add_encoder();
  slow.script->takes = 6s;
  auto order = open(video_a, 2);
  advance(5500ms);
  add_encoder();
  advance(10s);
  CHECK(order.log->numbers() == numbers_to(2));
  // It may offer itself again.
  tell(dispatcher, register_atom_v, slow.actor, encoder_info{"node", 1, "run"});
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.size() == 2);
}

TEST_CASE_METHOD(dispatcher_fixture, "a source that kills every encoder comes to an end", "[dispatcher]") {
  start();
  auto order = open(video_a, 1);
  std::uint32_t killed = 0;
  while (order.log->failures.empty() && killed < 50) {
    auto victim = add_encoder();
    advance(500ms);
    self->send_exit(victim.actor, caf::exit_reason::kill);
    ++killed;
    advance(100ms);
  }
  CHECK(killed == config.losses + 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "an encoder that is busy elsewhere is left alone for a while", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  self->send(encoder.actor, analyze_atom_v, analyze_task{{video_b, "", 1}, {}});
  encoder.script->takes = 3s;
  run();
  auto order = open(video_a, 3);
  advance(20s);
  CHECK(order.log->numbers() == numbers_to(3));
  CHECK(encoder.script->overlaps <= 4);
}

TEST_CASE_METHOD(dispatcher_fixture, "an encoder that registers twice is one encoder", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto order = open(video_a, 4);
  tell(dispatcher, register_atom_v, encoder.actor, encoder_info{"node", 1, "run"});
  advance(10s);
  CHECK(encoder.script->overlaps == 0);
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.size() == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "a closed order is over when its encoders have let go", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  encoder.script->takes = 100s;
  auto order = open(video_a, 5);
  REQUIRE(ask<void>(dispatcher, close_atom_v, video_a));
  CHECK(encoder.script->cancels == 1);
  advance(300s, 10s);
  CHECK(order.log->results.empty());
  CHECK(order.log->failures.empty());
  REQUIRE(ask<void>(dispatcher, close_atom_v, video_a)); // Again is harmless.
  REQUIRE(ask<void>(dispatcher, close_atom_v, video_b)); // So is one that never was.
}

TEST_CASE_METHOD(dispatcher_fixture, "closing waits for an encoder that does not react, until it is lost",
                 "[dispatcher]") {
  config.segment_timeout = 20s;
  start();
  auto encoder = add_encoder();
  encoder.script->silent = true;
  open(video_a, 5);
  auto closing = request(dispatcher, close_atom_v, video_a);
  CHECK_FALSE(closing.answered());
  advance(20s);
  CHECK(closing.get<void>());
}

TEST_CASE_METHOD(dispatcher_fixture, "an order ends with its listener", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto order = open(video_a, 10);
  advance(1500ms);
  self->send_exit(order.listener, caf::exit_reason::kill);
  advance(1s);
  auto status = ask<dispatcher_status>(dispatcher, status_atom_v);
  CHECK(status->jobs == 0);
  CHECK_FALSE(status->encoders.at(0).busy);
}

TEST_CASE_METHOD(dispatcher_fixture, "the same video again replaces its order", "[dispatcher]") {
  start();
  add_encoder();
  auto old = open(video_a, 10);
  advance(1500ms);
  auto seen = old.log->results.size();
  auto now = open(video_a, 4);
  advance(20s);
  CHECK(old.log->results.size() == seen);
  CHECK(now.log->numbers() == numbers_to(4));
  // The old listener's end is not the new order's.
  auto third = open(video_a, 6);
  self->send_exit(now.listener, caf::exit_reason::kill);
  advance(20s);
  CHECK(third.log->numbers() == numbers_to(6));
}

TEST_CASE_METHOD(dispatcher_fixture, "a verdict on the source is not asked for twice", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto code = GENERATE(errc::unsupported_media, errc::broken_media);
  encoder.script->analysis = [code](const analyze_task&) { return fail(code, "not a video"); };
  auto found = analyze(video_a);
  REQUIRE_FALSE(found);
  CHECK(found.error() == error{code, "not a video"});
  CHECK(encoder.script->analyses == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis that takes too long at one node is another one's", "[dispatcher]") {
  start();
  auto too_slow = [](const analyze_task&) { return fail(errc::timed_out, "took longer than its limit"); };
  auto far = add_encoder(std::make_shared<test::encoder_script>(), "far");
  auto far_too = add_encoder(std::make_shared<test::encoder_script>(), "far");
  far.script->analysis = far_too.script->analysis = too_slow;
  auto near = add_encoder(std::make_shared<test::encoder_script>(), "near");
  SECTION("where it may do well") {
    CHECK(analyze(video_a));
  }
  SECTION("where it says the same, it is the source's fault") {
    near.script->analysis = too_slow;
    CHECK(analyze(video_a).error().code == errc::timed_out);
  }
  CHECK(far.script->analyses + far_too.script->analyses == 1);
  CHECK(near.script->analyses == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "who is alone and too slow is not asked again", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  encoder.script->analysis = [](const analyze_task&) { return fail(errc::timed_out, "took longer than its limit"); };
  CHECK(analyze(video_a).error().code == errc::timed_out);
  CHECK(encoder.script->analyses == 1);
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis may take longer for a larger source", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  encoder.script->silent = true;
  auto asked = request(dispatcher, analyze_atom_v, analyze_task{{video_a, "/nowhere", 400'000'000}, {}});
  advance(config.analyze_timeout + 99s);
  CHECK(encoder.script->cancels == 0);
  advance(2s);
  CHECK(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.empty()); // taken for lost
  CHECK_FALSE(asked.answered());
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis that fails is tried three times more", "[dispatcher]") {
  start();
  auto encoder = add_encoder();
  auto left = std::make_shared<int>(GENERATE(3, 4));
  auto enough = *left == 3;
  encoder.script->analysis = [left](const analyze_task&) -> result<media::analysis> {
    if (*left == 0)
      return test::make_analysis(2);
    --*left;
    return fail(errc::encoder_failed, "no memory");
  };
  CHECK(analyze(video_a).has_value() == enough);
  CHECK(encoder.script->analyses == 4);
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis survives its encoder, and ends with its order", "[dispatcher]") {
  start();
  auto first = add_encoder();
  auto asked = request(dispatcher, analyze_atom_v, analyze_task{{video_a, "", 1}, {}});
  run();
  self->send_exit(first.actor, caf::exit_reason::kill);
  run();
  SECTION("another encoder does it") {
    add_encoder();
    advance(1s);
    CHECK(asked.get<media::analysis>());
  }
  SECTION("closing answers it") {
    tell(dispatcher, store_atom_v, video_a, 3U);
    caf::anon_send(dispatcher, close_atom_v, video_a);
    run();
    auto found = asked.get<media::analysis>();
    REQUIRE_FALSE(found);
    CHECK(found.error().code == errc::cancelled);
    add_encoder();
    CHECK_FALSE(ask<dispatcher_status>(dispatcher, status_atom_v)->encoders.at(0).busy);
  }
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis that nobody waits for is not made", "[dispatcher]") {
  start();
  auto asker = sys.spawn([this](caf::event_based_actor* me) {
    me->request(dispatcher, 60min, analyze_atom_v, analyze_task{{video_a, "", 1}, {}})
        .then([](const media::analysis&) {}, [](const caf::error&) {});
  });
  run();
  self->send_exit(asker, caf::exit_reason::kill);
  run();
  auto encoder = add_encoder();
  advance(5s);
  CHECK(encoder.script->analyses == 0);
}

TEST_CASE_METHOD(dispatcher_fixture, "everybody can see what everybody does", "[dispatcher]") {
  start();
  add_encoder();
  open(video_a, 5);
  auto status = ask<dispatcher_status>(dispatcher, status_atom_v);
  REQUIRE(status);
  CHECK(status->jobs == 1);
  CHECK(status->segments_waiting == 4);
  REQUIRE(status->encoders.size() == 1);
  CHECK(status->encoders[0].busy);
  CHECK_FALSE(status->encoders[0].analyzing);
  CHECK(status->encoders[0].video_hash == video_a);
  CHECK(status->encoders[0].segment == 0);

  [[maybe_unused]] const auto asked = request(dispatcher, analyze_atom_v, analyze_task{{video_b, "/nowhere", 1}, {}});
  advance(1s);
  status = ask<dispatcher_status>(dispatcher, status_atom_v);
  REQUIRE(status);
  CHECK(status->encoders[0].busy);
  CHECK(status->encoders[0].analyzing);
  CHECK(status->encoders[0].video_hash == video_b);
}

TEST_CASE_METHOD(dispatcher_fixture, "many videos whose segments can't be stored hold few of them", "[dispatcher]") {
  start();
  add_encoder();
  std::vector<one_order> orders;
  for (auto digit : {'a', 'b', 'c', 'd', 'e', 'f'}) {
    orders.push_back(open(test::hash_of(digit), 10));
    orders.back().log->stores = false;
  }
  advance(60s);
  std::size_t held = 0;
  for (auto& one : orders)
    held += one.log->results.size();
  CHECK(held == 6); // Twice one encoder and two more.
}

TEST_CASE_METHOD(dispatcher_fixture, "an analysis that ends every encoder comes to an end", "[dispatcher]") {
  start();
  auto asked = request(dispatcher, analyze_atom_v, analyze_task{{video_a, "", 1}, {}});
  for (auto i = 0U; i <= config.losses; ++i) {
    auto victim = add_encoder();
    run();
    self->send_exit(victim.actor, caf::exit_reason::kill);
    run();
  }
  auto found = asked.get<media::analysis>();
  REQUIRE_FALSE(found);
  CHECK(found.error().code == errc::encoder_failed);
}
