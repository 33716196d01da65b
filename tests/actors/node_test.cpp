#include "tests/actors/node_fixture.hpp"

#include <algorithm>

using namespace vp;
using namespace std::chrono_literals;

namespace {

const auto video = test::hash_of('a');

node_hello hello_of(const std::string& run, const std::string& node = "here", const std::string& node_run = "1") {
  node_hello hello;
  hello.where = {node, 1, node_run};
  hello.run = run;
  return hello;
}

struct cluster_fixture : test::sim_cluster {
  std::shared_ptr<test::listener_log> log = std::make_shared<test::listener_log>();

  void open(std::uint32_t segments) {
    auto listener = keep(server.sys.spawn(test::scripted_listener, log, dispatcher));
    server.self->send(dispatcher, open_atom_v, test::make_order(video, segments), order_listener{listener});
  }

  dispatcher_status status() { return ask<dispatcher_status>(status_atom_v); }
  result<std::uint32_t> drain(const std::string& node) { return try_ask<std::uint32_t>(drain_atom_v, node); }
  result<void> close() { return try_ask<void>(close_atom_v, video); }

  /// Asks the dispatcher.
  template <class R, class... Ts>
  result<R> try_ask(Ts... xs) {
    auto response = server.self->request(dispatcher, caf::infinite, std::move(xs)...);
    run();
    if (!server.self->has_next_message())
      FAIL("no answer");
    result<R> answer = fail(errc::internal, "unreachable");
    auto refused = [&](caf::error& problem) { answer = tl::unexpected(from_caf(problem)); };
    if constexpr (std::is_void_v<R>)
      response.receive([&] { answer = result<void>{}; }, refused);
    else
      response.receive([&](R& value) { answer = std::move(value); }, refused);
    return answer;
  }

  template <class R, class... Ts>
  R ask(Ts... xs) {
    auto answer = try_ask<R>(std::move(xs)...);
    REQUIRE(answer);
    return std::move(*answer);
  }

  static bool ended(const worker_node& which) {
    return caf::actor_cast<caf::abstract_actor*>(which.worker)->getf(caf::abstract_actor::is_terminated_flag);
  }

  bool all_there(std::uint32_t segments) const {
    auto numbers = log->numbers();
    std::sort(numbers.begin(), numbers.end());
    for (std::uint32_t i = 0; i < segments; ++i)
      if (numbers.size() != segments || numbers[i] != i)
        return false;
    return std::all_of(log->results.begin(), log->results.end(), [](const segment_result& x) {
      auto cells = test::make_segments(x.segment + 1);
      const auto plan = test::make_plan();
      auto expected = test::make_result(
          {{x.video_hash, "", 0}, plan, cells.back(), ids_of(plan, renditions_in(plan, cells.back()))});
      return x.fragments.size() == expected.fragments.size()
             && std::equal(x.fragments.begin(), x.fragments.end(), expected.fragments.begin(),
                           [](const auto& a, const auto& b) { return a.rendition == b.rendition && a.data == b.data; });
    });
  }
};

} // namespace

TEST_CASE_METHOD(cluster_fixture, "a worker joins and does what the dispatcher gives it", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  CHECK(one.joined);
  open(5);
  advance(10s);
  CHECK(all_there(5));
  CHECK(one.script->seeks == 1);
  CHECK(one.script->overlaps == 0);
}

TEST_CASE_METHOD(cluster_fixture, "a link that breaks at any step loses nothing", "[node]") {
  constexpr std::uint32_t segments = 3;
  auto finished = false;
  auto breaks = 0;
  for (; !finished; ++breaks) {
    cluster_fixture here;
    here.start();
    auto& first = here.connect(hello_of("first"));
    here.open(segments);
    auto left = breaks;
    for (auto idle = 0; left > 0 && idle < 20;) {
      if (here.step()) {
        --left;
        idle = 0;
      } else {
        here.let_pass(250ms);
        ++idle;
      }
    }
    finished = left > 0; // everything had happened before
    here.cut(first);
    here.run();
    auto next = hello_of("second");
    next.before = {"first", "it exited", false};
    auto& second = here.add_worker(next);
    CHECK(second.joined);
    here.advance(10s);
    INFO("broken after " << breaks << " steps");
    REQUIRE(here.all_there(segments));
    CHECK(ended(first));
  }
  CHECK(breaks > 40);
}

TEST_CASE_METHOD(cluster_fixture, "a worker that makes other files, or gives no name, is refused in words", "[node]") {
  gating.versions = {{"libavcodec", "59.37.100"}, {"x264", "164 r3095"}};
  start();
  auto hello = hello_of("run");
  auto refusal = [&] { return add_worker(hello).joined.error(); };
  hello.versions = gating.versions;
  hello.versions["x264"] = "163 r3060";
  CHECK(refusal().code == errc::conflict);
  CHECK_THAT(refusal().text, Catch::Contains("x264 164 r3095 here and 163 r3060 there"));
  CHECK_THAT(refusal().text, !Catch::Contains("libavcodec"));
  hello.versions.erase("libavcodec");
  CHECK_THAT(refusal().text, Catch::Contains("libavcodec 59.37.100 here and none there"));
  hello.versions = gating.versions;
  hello.where.node = "a name/with a path";
  CHECK(refusal().code == errc::invalid_request);
  hello.where.node = "here";
  CHECK(add_worker(hello).joined);
  CHECK(status().encoders.size() == 1);
  // Nor is a second node of the same name, until the first has gone.
  auto other = hello_of("other run", "here", "2");
  other.versions = gating.versions;
  hello = other;
  CHECK(refusal().code == errc::overloaded);
  cut(*workers[workers.size() - 2]);
  run();
  CHECK(add_worker(hello).joined);
}

TEST_CASE_METHOD(cluster_fixture, "a worker without a pass for its name is refused", "[node]") {
  start();
  auto hello = hello_of("run");
  for (auto pass : {std::string{"guessed"}, gating.passes->pass_for("there"), nodes::passes{}.pass_for("here")}) {
    hello.pass = pass;
    CHECK(add_worker(hello).joined == fail(errc::overloaded, "the worker has no pass for the name of here"));
  }
  CHECK(status().encoders.empty());
  hello.pass = gating.passes->pass_for("here");
  CHECK(add_worker(hello).joined);
}

TEST_CASE_METHOD(cluster_fixture, "a node has each of its slots once, and not too many", "[node]") {
  gating.slots_per_node = 2;
  start();
  auto slot = [](const std::string& run, std::uint32_t number) {
    auto hello = hello_of(run);
    hello.where.slot = number;
    return hello;
  };
  auto& first = add_worker(slot("first", 1));
  CHECK(first.joined);
  CHECK(add_worker(slot("first", 2)).joined.error().code == errc::invalid_request);
  CHECK(add_worker(slot("second", 2)).joined);
  CHECK(add_worker(slot("third", 3)).joined.error().code == errc::conflict);
  CHECK(add_worker(slot("", 1)).joined.error().code == errc::invalid_request);
  CHECK(status().encoders.size() == 2);
  // Its own successor takes its place, though nobody has missed it yet.
  auto next = slot("next", 1);
  next.before = {"first", "it was killed from outside (SIGKILL)", false};
  CHECK(add_worker(next).joined);
  CHECK(status().encoders.size() == 2);
  // So does one whose predecessor has left no word, though it names another.
  auto later = slot("later", 1);
  later.before = {"one that never joined", "it had no link", false};
  CHECK(add_worker(later).joined);
  CHECK(status().encoders.size() == 2);
}

TEST_CASE_METHOD(cluster_fixture, "a process has one slot, whatever it calls itself", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  REQUIRE(one.joined);
  auto again = hello_of("another");
  again.where.slot = 2;
  again.pass = gating.passes->pass_for("here");
  result<void> answer;
  one.node.sys.spawn([&](caf::event_based_actor* self) {
    self->request(one.gate, caf::infinite, join_atom_v, to_text(again), worker_actor{one.worker})
        .then([](const slot_link_actor&, const worker_limits&) {},
              [&](const caf::error& problem) { answer = tl::unexpected(from_caf(problem)); });
  });
  run();
  CHECK(answer == fail(errc::conflict, "this worker's process has a slot"));
  CHECK(status().encoders.size() == 1);
}

TEST_CASE_METHOD(cluster_fixture, "a worker ends with its encoder, after its last words", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  one.script->takes = 1h;
  open(2);
  advance(1s);
  caf::anon_send_exit(one.encoder, caf::exit_reason::kill);
  while (one.node.step()) {
  }
  CHECK_FALSE(ended(one)); // they are on their way
  run();
  CHECK(ended(one));
  advance(5s);
  CHECK(status().encoders.empty());
  add_worker(hello_of("next"));
  advance(10s);
  CHECK(all_there(2));
}

TEST_CASE_METHOD(cluster_fixture, "a worker that never comes to an end must begin anew", "[node]") {
  gating.slot.task_limits = {20s, 1h};
  start();
  auto& stuck = add_worker(hello_of("stuck"));
  stuck.script->takes = 1h;
  open(2);
  advance(19s);
  CHECK_FALSE(ended(stuck));
  advance(2s);
  CHECK(ended(stuck));
  CHECK(status().encoders.empty());
  CHECK(add_worker(hello_of("next")).joined);
  advance(10s);
  CHECK(all_there(2));
}

TEST_CASE_METHOD(cluster_fixture, "a process that ends by its own doing counts against its task", "[node]") {
  start();
  auto& first = add_worker(hello_of("first"));
  auto& other = add_worker(hello_of("other", "there", "2"));
  open(8);
  advance(500ms); // segments 0 and 4, say
  const auto poison = first.script->segments.back().second;
  cut(first);
  run();
  auto next = hello_of("second");
  next.before = {"first", "its process crashed (SIGSEGV)", true};
  auto& second = add_worker(next);
  CHECK(second.joined);
  // The fresh process gets it, first of all, and nobody else does.
  REQUIRE_FALSE(second.script->segments.empty());
  CHECK(second.script->segments.front().second == poison);

  SECTION("once may be bad luck") {
    advance(20s);
    CHECK(all_there(8));
  }
  SECTION("twice ends the video's job, and says why") {
    cut(second);
    run();
    auto third = hello_of("third");
    third.before = {"second", "its process crashed (SIGSEGV)", true};
    add_worker(third);
    REQUIRE(log->failures.size() == 1);
    CHECK(log->failures[0].first == poison);
    CHECK(log->failures[0].second.code == errc::crashed);
    CHECK_THAT(log->failures[0].second.text, Catch::Contains("SIGSEGV"));
  }
  SECTION("but not an end from outside") {
    cut(second);
    run();
    auto third = hello_of("third");
    third.before = {"second", "it was killed from outside (SIGKILL)", false};
    add_worker(third);
    advance(20s);
    CHECK(log->failures.empty());
    CHECK(all_there(8));
  }
  for (auto& [hash, number] : other.script->segments)
    CHECK(number != poison);
}

TEST_CASE_METHOD(cluster_fixture, "a task waits for no successor that does not come", "[node]") {
  start();
  auto& first = add_worker(hello_of("first"));
  open(1);
  advance(500ms);
  cut(first);
  auto& other = add_worker(hello_of("other", "there", "2"));
  advance(gating.slot.verdict_wait - 250ms);
  CHECK(other.script->segments.empty());
  advance(2s);
  CHECK(all_there(1));
}

TEST_CASE_METHOD(cluster_fixture, "where no fresh process comes by itself, a used one makes place for it", "[node]") {
  start();
  auto& victim = add_worker(hello_of("victim"));
  auto& other = add_worker(hello_of("other", "there", "2"));
  open(8);
  advance(20s);
  REQUIRE(all_there(8)); // both have done something
  log->results.clear();
  open(1);
  advance(500ms);
  const auto at = status().encoders.at(0).busy;
  auto& hit = at ? victim : other;
  auto& used = at ? other : victim;
  // The successor tells how that ended, gets the task as the fresh one that it is, and is lost for reasons from
  // outside.
  auto next = at ? hello_of("next") : hello_of("next", "there", "2");
  next.before = {at ? "victim" : "other", "its process crashed (SIGABRT)", true};
  cut(hit);
  auto& successor = add_worker(next);
  REQUIRE(successor.script->segments.size() == 1);
  cut(successor);
  advance(dispatching.fresh_wait - 500ms);
  CHECK_FALSE(ended(used));
  advance(2s);
  CHECK(ended(used));
  auto& fresh = add_worker(at ? hello_of("fresh", "there", "2") : hello_of("fresh"));
  advance(5s);
  CHECK(fresh.script->segments.size() == 1);
  CHECK(all_there(1));
}

TEST_CASE_METHOD(cluster_fixture, "a drained node finishes what it has and gets no more", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  open(5);
  advance(500ms);
  auto busy = drain("here");
  REQUIRE(busy);
  CHECK(*busy == 1);
  advance(10s);
  CHECK(one.script->segments.size() == 1);
  CHECK(log->results.size() == 1);
  CHECK(status().encoders.at(0).drained);
  CHECK(drain("nowhere").error().code == errc::not_found);
  // Also not when a process of it begins anew; only the node itself.
  cut(one);
  auto& again = add_worker(hello_of("again"));
  advance(5s);
  CHECK(again.script->segments.empty());
  cut(again);
  auto& anew = add_worker(hello_of("anew", "here", "2"));
  advance(20s);
  CHECK_FALSE(anew.script->segments.empty());
  CHECK(all_there(5));
}

TEST_CASE_METHOD(cluster_fixture, "a worker that is told to stop finishes, says so and ends", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  open(5);
  advance(500ms);
  caf::anon_send(one.worker, drain_atom_v);
  advance(5s);
  CHECK(log->results.size() == 1);
  CHECK(ended(one));
  CHECK(status().encoders.empty());
  add_worker(hello_of("next"));
  advance(20s);
  CHECK(all_there(5));
}

TEST_CASE_METHOD(cluster_fixture, "a cancelled task ends at the worker too", "[node]") {
  start();
  auto& one = add_worker(hello_of("run"));
  one.script->takes = 1h;
  open(2);
  advance(1s);
  auto closed = close();
  CHECK(closed);
  CHECK(one.script->cancels == 1);
  CHECK_FALSE(status().encoders.at(0).busy);
}
