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
    return caf::behavior{[me](await_atom, std::uint64_t, std::uint64_t, bool) -> caf::result<media::byte_range> {
      return me->make_response_promise<media::byte_range>();
    }};
  }));
  config.sessions = caf::actor_cast<session_manager_actor>(spawn([session](caf::event_based_actor*) {
    return caf::behavior{[session](session_atom, const std::string&) { return session; }};
  }));
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
