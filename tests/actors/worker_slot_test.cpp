#include "actors/dispatcher.hpp"
#include "actors/source_reader.hpp"
#include "actors/worker_slot.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

using namespace vp;
using namespace std::chrono_literals;

namespace {

/// What a worker saw that asked for a block of its task's source.
struct block_seen {
  std::string path;
  std::string block;
  caf::actor_addr sender;
};

worker_actor::behavior_type reading_worker(worker_actor::pointer self, std::shared_ptr<slot_link_actor> slot,
                                           std::shared_ptr<block_seen> seen) {
  return {
      [](analyze_atom, std::uint64_t, const analyze_task&) {},
      [=](encode_atom, std::uint64_t id, const segment_task& task) {
        seen->path = task.source.path;
        self->request(*slot, 10s, read_atom_v, id, std::uint64_t{4}, std::uint32_t{3})
            .then(
                [=](const bytes& block) {
                  seen->block.assign(block.view().begin(), block.view().end());
                  seen->sender = self->current_sender()->address();
                },
                [](const caf::error&) {});
      },
      [](cancel_atom, std::uint64_t) {},
      [](renew_atom) {},
      [](status_atom) -> caf::result<void> { return caf::unit; },
  };
}

/// Knows one upload's session, whoever asks.
caf::behavior manager_of(caf::event_based_actor*, const upload_session_actor& session) {
  return {[session](session_atom, const std::string&) { return session; }};
}

} // namespace

TEST_CASE_METHOD(test::actor_fixture, "a worker learns of its slot only, and of no file's name", "[worker_slot]") {
  const test::temporary_folder folder;
  folder.write("source", "the source");
  auto slot = std::make_shared<slot_link_actor>();
  auto seen = std::make_shared<block_seen>();
  worker_slot_config config;
  config.dispatcher = spawn(dispatcher, dispatcher_config{});
  config.reader = spawn(source_reader);
  auto made = spawn(worker_slot, config, spawn(reading_worker, slot, seen));
  *slot = made;
  self->send(config.dispatcher, register_atom_v, encoder_actor{made}, encoder_info{"node", 1, "run"});
  auto log = std::make_shared<test::listener_log>();
  auto order = test::make_order(test::hash_of('a'), 1);
  order.source.path = (folder / "source").string();
  self->send(config.dispatcher, open_atom_v, order,
             order_listener{spawn(test::scripted_listener, log, config.dispatcher)});
  run();
  CHECK(seen->path.empty());
  CHECK(seen->block == "sou");
  CHECK(seen->sender == made.address());
  *slot = slot_link_actor{}; // or they hold each other
}

TEST_CASE_METHOD(test::actor_fixture, "a slot ends when its worker says nothing from the beginning", "[worker_slot]") {
  auto silent = spawn([](worker_actor::pointer me) -> worker_actor::behavior_type {
    auto unanswered = std::make_shared<caf::response_promise>();
    return {
        [](analyze_atom, std::uint64_t, const analyze_task&) {},
        [](encode_atom, std::uint64_t, const segment_task&) {},
        [](cancel_atom, std::uint64_t) {},
        [](renew_atom) {},
        [me, unanswered](status_atom) -> caf::result<void> {
          *unanswered = me->make_response_promise();
          return *unanswered;
        },
    };
  });
  worker_slot_config config;
  auto slot = spawn(worker_slot, config, silent);
  const auto ended = [&] {
    run();
    return caf::actor_cast<caf::abstract_actor*>(slot)->getf(caf::abstract_actor::is_terminated_flag);
  };
  CHECK_FALSE(ended());
  advance(config.probe_timeout);
  CHECK(ended());
}

TEST_CASE_METHOD(test::actor_fixture, "an analysis does not wait for an upload that has stopped", "[worker_slot]") {
  const test::temporary_folder folder;
  auto slot = std::make_shared<slot_link_actor>();
  worker_slot_config config;
  config.dispatcher = spawn(dispatcher, dispatcher_config{});
  config.reader = spawn(source_reader);
  // Its bytes never come.
  const auto session = caf::actor_cast<upload_session_actor>(sys.spawn([](caf::event_based_actor* me) {
    return caf::behavior{
        [me](await_atom, std::uint64_t, std::uint64_t, bool) -> caf::result<media::byte_range, std::uint32_t> {
          return me->make_response_promise<media::byte_range, std::uint32_t>();
        }};
  }));
  config.sessions = caf::actor_cast<session_manager_actor>(spawn(manager_of, session));
  auto reads = std::make_shared<std::vector<error>>();
  auto worker = spawn([slot, reads](worker_actor::pointer me) -> worker_actor::behavior_type {
    return {
        [=](analyze_atom, std::uint64_t id, const analyze_task&) {
          for (const std::uint64_t offset : {0, 100})
            me->request(*slot, caf::infinite, read_atom_v, id, offset, std::uint32_t{3})
                .then([](const bytes&) {},
                      [=](const caf::error& why) {
                        reads->push_back(from_caf(why));
                        me->send(*slot, fail_atom_v, id, why);
                      });
        },
        [](encode_atom, std::uint64_t, const segment_task&) {},
        [](cancel_atom, std::uint64_t) {},
        [](renew_atom) {},
        [](status_atom) -> caf::result<void> { return caf::unit; },
    };
  });
  auto made = spawn(worker_slot, config, worker);
  *slot = made;
  tell(config.dispatcher, register_atom_v, encoder_actor{made}, encoder_info{"node", 1, "run"});
  analyze_task task;
  task.source = {test::hash_of('a'), "nowhere", 1000, 1, media::arrival::arriving};
  auto answer = request(config.dispatcher, analyze_atom_v, task);
  advance(config.analysis_patience - 1s);
  CHECK(reads->empty());
  advance(2s);
  REQUIRE_FALSE(reads->empty());
  CHECK(reads->front().code == errc::not_arrived);
  CHECK(answer.get<media::analysis>().error().code == errc::not_arrived);
  self->send_exit(session, caf::exit_reason::user_shutdown);
  *slot = slot_link_actor{};
}

namespace {

struct session_call {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool acknowledged = false;
  caf::typed_response_promise<media::byte_range, std::uint32_t> answer;
};

/// Reads at its task's beginning, then far behind, and then sends a result, also where that was cancelled meanwhile.
worker_actor::behavior_type shipping_worker(worker_actor::pointer self, std::shared_ptr<slot_link_actor> slot,
                                            std::shared_ptr<std::vector<std::uint64_t>> versions) {
  return {
      [](analyze_atom, std::uint64_t, const analyze_task&) {},
      [=](encode_atom, std::uint64_t id, const segment_task& task) {
        versions->push_back(task.source.version);
        const auto fail = [=](const caf::error& why) { self->send(*slot, fail_atom_v, id, why); };
        const auto ship = [=](const bytes&) {
          std::vector<char> data;
          caf::binary_serializer sink{self->system(), data};
          auto result = test::make_result(task);
          REQUIRE_FALSE(sink(result));
          self->send(*slot, result_atom_v, id, bytes{bytes::buffer(data.begin(), data.end())});
          self->send(*slot, end_atom_v, id);
        };
        self->request(*slot, caf::infinite, read_atom_v, id, std::uint64_t{0}, std::uint32_t{3})
            .then(
                [=](const bytes&) {
                  self->request(*slot, caf::infinite, read_atom_v, id, 9 * std::uint64_t{piece_size}, std::uint32_t{3})
                      .then(ship, fail);
                },
                fail);
      },
      [](cancel_atom, std::uint64_t) {},
      [](renew_atom) {},
      [](status_atom) -> caf::result<void> { return caf::unit; },
  };
}

} // namespace

TEST_CASE_METHOD(test::actor_fixture, "what was made of chunks on their way is held until they are acknowledged",
                 "[worker_slot]") {
  const test::temporary_folder folder;
  folder.write("source", std::string(10 * piece_size, '.'));
  auto slot = std::make_shared<slot_link_actor>();
  auto calls = std::make_shared<std::vector<session_call>>();
  const caf::actor session = spawn([calls](caf::event_based_actor* me) {
    return caf::behavior{
        [me, calls](await_atom, std::uint64_t offset, std::uint64_t length,
                    bool acknowledged) -> caf::result<media::byte_range, std::uint32_t> {
          auto answer = me->make_response_promise<media::byte_range, std::uint32_t>();
          calls->push_back({offset, length, acknowledged, answer});
          return answer;
        },
        [calls](tick_atom, std::uint32_t reading) {
          auto answer = calls->back().answer;
          answer.deliver(media::byte_range{0, 10 * piece_size}, reading);
        },
    };
  });
  worker_slot_config config;
  config.dispatcher = spawn(dispatcher, dispatcher_config{});
  config.reader = spawn(source_reader);
  config.sessions =
      caf::actor_cast<session_manager_actor>(spawn(manager_of, caf::actor_cast<upload_session_actor>(session)));
  auto versions = std::make_shared<std::vector<std::uint64_t>>(); // of what the worker reads
  worker_actor worker = spawn(shipping_worker, slot, versions);
  auto made = spawn(worker_slot, config, worker);
  *slot = made;
  tell(config.dispatcher, register_atom_v, encoder_actor{made}, encoder_info{"node", 1, "run", true});
  auto log = std::make_shared<test::listener_log>();
  auto order = test::make_order(test::hash_of('a'), 1);
  order.source.path = (folder / "source").string();
  order.source.size = 10 * piece_size;
  order.source.state = media::arrival::arriving;
  order.cells[0].cell.video_bytes = {10, 2 * piece_size};
  order.cells[0].ready = 0;
  tell(config.dispatcher, open_atom_v, order, order_listener{spawn(test::scripted_listener, log, config.dispatcher)});
  tell(config.dispatcher, want_atom_v, test::hash_of('a'), viewer_needs{{{0, 0b001}}, {}, 1, 0, {{0, 0b001}}, 7});

  const auto answer = [&](std::size_t call, std::uint32_t reading) {
    REQUIRE(calls->size() == call + 1);
    tell(session, tick_atom_v, reading);
  };
  const auto is_busy = [&] { return ask<dispatcher_status>(config.dispatcher, status_atom_v)->encoders.at(0).busy; };
  const auto made_again = [&] {
    const auto before = calls->size();
    tell(config.dispatcher, ready_atom_v, test::hash_of('a'), std::vector<cell_part>{{0, 0b001}});
    CHECK(log->results.empty());
    REQUIRE(calls->size() == before + 1);
    CHECK(versions->front() != versions->back()); // so nothing is used again of what it has read
    return calls->back().acknowledged;
  };
  REQUIRE(calls->size() == 1);
  CHECK_FALSE(calls->back().acknowledged);
  SECTION("as far as it is made of them") {
    answer(0, 7);
    REQUIRE(calls->size() == 2);
    CHECK(calls->back().acknowledged); // for it is far away
    answer(1, 7);
    REQUIRE(calls->size() == 3);
    CHECK(calls->back().offset == 0);
    CHECK(calls->back().length == 4 * piece_size);
    CHECK(calls->back().acknowledged);
    CHECK(log->results.empty());
    SECTION("and is given then") {
      answer(2, 7);
      CHECK(log->results.size() == 1);
    }
    SECTION("and made again where one was aborted meanwhile") {
      answer(2, 8);
      CHECK(made_again());
    }
    SECTION("and made again where that takes too long") {
      advance(config.acknowledgement + 1s);
      CHECK(made_again());
    }
    SECTION("or cancelled") {
      tell(config.dispatcher, close_atom_v, test::hash_of('a'));
      CHECK_FALSE(is_busy());
    }
    SECTION("also when its worker has ended") {
      self->send_exit(worker, caf::exit_reason::user_shutdown);
      run();
      tell(made, verdict_atom_v, "it was killed", true); // of its successor
      CHECK(is_busy());
      answer(2, 7);
      CHECK(log->results.size() == 1);
      CHECK(ask<dispatcher_status>(config.dispatcher, status_atom_v)->encoders.empty());
    }
  }
  SECTION("but not where it was cancelled before") {
    tell(config.dispatcher, close_atom_v, test::hash_of('a'));
    CHECK(is_busy());
    answer(0, 7);
    answer(1, 7);
    CHECK(calls->size() == 2);
    CHECK_FALSE(is_busy());
  }
  SECTION("and not read where one was aborted before") {
    answer(0, 8);
    CHECK(made_again());
  }
  *slot = slot_link_actor{}; // or they hold each other
}
