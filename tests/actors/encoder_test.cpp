#include "actors/encoder.hpp"
#include "actors/encoder_pool.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

using namespace vp;
using namespace std::chrono_literals;

namespace {

/// What a codec did, and how it behaves.
struct codec_script {
  caf::timespan takes = 1s;
  bool hangs = false;   ///< doesn't even look at its interrupt
  bool crashes = false; ///< ends in the middle of a task
  std::optional<error> failure;
  std::uint32_t tasks = 0;
  std::uint32_t closes = 0;
};

using scripted_codec_actor = codec_actor::extend<caf::reacts_to<tick_atom>>;

struct scripted_codec_state {
  std::shared_ptr<codec_script> script;
  media::interrupt stop;
  caf::actor_clock::time_point until{};
  std::function<void()> finish;
  std::function<void(caf::error)> refuse;
};

/// As the real one it answers when it is done or when it has looked at its interrupt, here ten times a second.
scripted_codec_actor::behavior_type scripted_codec(scripted_codec_actor::stateful_pointer<scripted_codec_state> self,
                                                   std::shared_ptr<codec_script> script) {
  self->state.script = std::move(script);
  auto begin = [self](const media::interrupt& stop) {
    auto& x = self->state;
    ++x.script->tasks;
    x.stop = stop;
    x.until = self->clock().now() + x.script->takes;
    self->send(self, tick_atom_v);
    return self->make_response_promise();
  };
  return {
      [self, begin](analyze_atom, const analyze_task&, const media::interrupt& stop) -> caf::result<media::analysis> {
        auto answer = begin(stop);
        self->state.finish = [answer]() mutable { answer.deliver(test::make_analysis(2)); };
        self->state.refuse = [answer](caf::error why) mutable { answer.deliver(std::move(why)); };
        return answer;
      },
      [self, begin](encode_atom, const segment_task& task,
                    const media::interrupt& stop) -> caf::result<segment_result> {
        auto answer = begin(stop);
        self->state.finish = [answer, task]() mutable { answer.deliver(test::make_result(task)); };
        self->state.refuse = [answer](caf::error why) mutable { answer.deliver(std::move(why)); };
        return answer;
      },
      [self](close_atom) { ++self->state.script->closes; },
      [self](tick_atom) {
        auto& x = self->state;
        if (x.script->crashes)
          self->quit(caf::exit_reason::unhandled_exception);
        else if (!x.script->hangs && x.stop.raised())
          x.refuse(to_caf(x.stop.why()));
        else if (!x.script->hangs && self->clock().now() >= x.until)
          x.script->failure ? x.refuse(to_caf(*x.script->failure)) : x.finish();
        else
          self->delayed_send(self, 100ms, tick_atom_v);
      },
  };
}

struct encoder_fixture : test::actor_fixture {
  std::shared_ptr<codec_script> script = std::make_shared<codec_script>();
  encoder_config config;
  codec_actor codec;
  encoder_actor encoder;

  encoder_fixture() { config.segment_timeout = config.analyze_timeout = 1h; }

  void start() {
    codec = spawn(scripted_codec, script);
    encoder = spawn(vp::encoder, config, codec);
  }

  static segment_task task(std::uint32_t number = 0) {
    auto order = test::make_order(test::hash_of('a'), number + 1);
    return {order.source, order.plan, order.cells.back().cell, ids_of(order.plan, order.cells.back().wanted)};
  }

  template <class Handle>
  bool alive(const Handle& whom) {
    run();
    return !caf::actor_cast<caf::abstract_actor*>(whom)->getf(caf::abstract_actor::is_terminated_flag);
  }
};

} // namespace

TEST_CASE_METHOD(encoder_fixture, "an encoder does one task at a time and says when it is busy", "[encoder]") {
  start();
  auto first = request(encoder, encode_atom_v, task());
  run();
  auto second = ask<segment_result>(encoder, encode_atom_v, task(1));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::overloaded);
  auto analysis = ask<media::analysis>(encoder, analyze_atom_v, analyze_task{task().source, {}});
  REQUIRE_FALSE(analysis);
  CHECK(analysis.error().code == errc::overloaded);
  advance(1s);
  auto done = first.get<segment_result>();
  REQUIRE(done);
  CHECK(done->segment == 0);
  CHECK(done->fragments.size() == 3);
  CHECK(script->tasks == 1);
}

TEST_CASE_METHOD(encoder_fixture, "a cancelled task ends soon, and the next one is done", "[encoder]") {
  script->takes = 100s;
  start();
  auto asked = request(encoder, encode_atom_v, task());
  advance(2s);
  tell(encoder, cancel_atom_v, test::hash_of('b')); // Somebody else's.
  advance(1s);
  CHECK_FALSE(asked.answered());
  tell(encoder, cancel_atom_v, test::hash_of('a'));
  advance(200ms);
  auto answer = asked.get<segment_result>();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::cancelled);
  tell(encoder, cancel_atom_v, test::hash_of('a')); // Late: meant for the task before.
  script->takes = 1s;
  auto next = request(encoder, analyze_atom_v, analyze_task{task().source, {}});
  advance(1s);
  CHECK(next.get<media::analysis>());
}

TEST_CASE_METHOD(encoder_fixture, "a task over its limit is interrupted", "[encoder]") {
  config.segment_timeout = 0s; // The interrupt's clock is the real one.
  config.grace = 10s;
  script->takes = 100s;
  start();
  auto asked = request(encoder, encode_atom_v, task());
  advance(200ms);
  auto answer = asked.get<segment_result>();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::timed_out);
  CHECK(alive(encoder));
}

TEST_CASE_METHOD(encoder_fixture, "an encoder whose codec hangs says so and ends", "[encoder]") {
  config.segment_timeout = 20s;
  config.grace = 10s;
  script->hangs = true;
  start();
  auto asked = request(encoder, encode_atom_v, task());
  advance(29s);
  CHECK_FALSE(asked.answered());
  advance(1s);
  auto answer = asked.get<segment_result>();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::timed_out);
  CHECK_FALSE(alive(encoder));
  CHECK_FALSE(alive(codec));
}

TEST_CASE_METHOD(encoder_fixture, "the look at a large source may take longer", "[encoder]") {
  config.analyze_timeout = 20s;
  config.grace = 10s;
  script->hangs = true;
  start();
  auto large = task().source;
  large.size = 40'000'000;
  auto asked = request(encoder, analyze_atom_v, analyze_task{large, {}});
  advance(39s);
  CHECK_FALSE(asked.answered());
  advance(1s);
  CHECK(asked.get<media::analysis>().error().code == errc::timed_out);
}

TEST_CASE_METHOD(encoder_fixture, "an encoder ends with its codec, and whoever asked hears of it", "[encoder]") {
  script->crashes = true;
  start();
  auto answer = ask<segment_result>(encoder, encode_atom_v, task());
  CHECK_FALSE(answer);
  CHECK_FALSE(alive(encoder));
}

TEST_CASE_METHOD(encoder_fixture, "a codec ends with its encoder, its task interrupted", "[encoder]") {
  script->takes = 100s;
  start();
  self->send(encoder, encode_atom_v, task());
  run();
  self->send_exit(encoder, caf::exit_reason::user_shutdown);
  run();
  CHECK_FALSE(alive(codec));
}

TEST_CASE_METHOD(encoder_fixture, "an idle encoder gives its memory back", "[encoder]") {
  config.idle = 10s;
  start();
  for (std::uint32_t i = 0; i < 3; ++i) {
    auto asked = request(encoder, encode_atom_v, task(i));
    advance(9s);
    CHECK(asked.get<segment_result>());
  }
  CHECK(script->closes == 0);
  advance(10s);
  CHECK(script->closes == 1);
  advance(60s, 1s);
  CHECK(script->closes == 1);
}

TEST_CASE_METHOD(encoder_fixture, "an error of the codec is the encoder's answer", "[encoder]") {
  script->failure = error{errc::encoder_failed, "no memory"};
  start();
  auto asked = request(encoder, encode_atom_v, task());
  advance(1s);
  auto answer = asked.get<segment_result>();
  REQUIRE_FALSE(answer);
  CHECK(answer.error() == error{errc::encoder_failed, "no memory"});
}

// -- the pool -----------------------------------------------------------------------------------------------------

namespace {

struct pool_fixture : test::actor_fixture {
  std::vector<encoder_actor> made;
  std::vector<encoder_actor> registered;
  encoder_pool_config config;
  encoder_pool_actor pool;

  void start() {
    auto tap_policy = std::make_shared<test::interference>([this](const caf::message& what) {
      if (test::begins_with(what, register_atom_v))
        registered.push_back(what.get_as<encoder_actor>(1));
      return test::fate{test::fate::kind::swallow, {}};
    });
    auto dispatcher = caf::actor_cast<dispatcher_actor>(spawn(test::tap, caf::actor{}, tap_policy, false));
    std::function<encoder_actor()> make = [this] {
      made.push_back(spawn(test::scripted_encoder, std::make_shared<test::encoder_script>()));
      return made.back();
    };
    pool = spawn(encoder_pool, config, dispatcher, make);
    run();
  }
};

} // namespace

TEST_CASE_METHOD(pool_fixture, "a pool keeps its encoders alive and registered", "[encoder]") {
  config.size = 3;
  start();
  CHECK(registered.size() == 3);
  self->send_exit(made[1], caf::exit_reason::kill);
  advance(900ms);
  CHECK(registered.size() == 3);
  advance(100ms);
  REQUIRE(registered.size() == 4);
  CHECK(registered.back() == made.back());
}

TEST_CASE_METHOD(pool_fixture, "encoders that don't live long are replaced ever more slowly", "[encoder]") {
  start();
  for (auto wait : {1s, 2s, 4s}) {
    auto before = made.size();
    self->send_exit(made.back(), caf::exit_reason::kill);
    advance(wait - 100ms);
    CHECK(made.size() == before);
    advance(100ms);
    CHECK(made.size() == before + 1);
  }
  // Until one lives.
  advance(60s, 1s);
  self->send_exit(made.back(), caf::exit_reason::kill);
  advance(1s);
  CHECK(made.size() == 5);
}

TEST_CASE_METHOD(pool_fixture, "encoders end with their pool", "[encoder]") {
  config.size = 2;
  start();
  self->send_exit(pool, caf::exit_reason::user_shutdown);
  run();
  for (auto& one : made)
    CHECK(caf::actor_cast<caf::abstract_actor*>(one)->getf(caf::abstract_actor::is_terminated_flag));
}
