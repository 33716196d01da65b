#include "actors/embedded_queue.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');
const std::string c = hash_of('c');

struct consumer_log {
  std::vector<job> jobs;

  strings hashes() const {
    strings all;
    for (auto& one : jobs)
      all.push_back(one.video_hash);
    return all;
  }
};

job_consumer::behavior_type logging_consumer(job_consumer::pointer, std::shared_ptr<consumer_log> log) {
  return {[log](deliver_atom, const job& what) { log->jobs.push_back(what); }};
}

struct queue_fixture : test::storage_fixture {
  std::shared_ptr<test::interference> policy = std::make_shared<test::interference>();
  std::shared_ptr<consumer_log> log = std::make_shared<consumer_log>();
  job_queue_actor queue;
  job_consumer consumer = spawn(logging_consumer, log);

  queue_fixture() { restart(); }

  void restart() {
    embedded_queue_config config;
    config.catalog =
        caf::actor_cast<catalog_actor>(spawn(test::tap, caf::actor_cast<caf::actor>(catalog), policy, false));
    queue = spawn(embedded_queue, config);
    run();
  }

  void subscribe(std::uint32_t credit) { tell(queue, subscribe_atom_v, consumer, credit); }
  void ack(std::uint64_t id) { tell(queue, ack_atom_v, id); }
};

} // namespace

TEST_CASE_METHOD(queue_fixture, "a job comes when its video is finalized", "[embedded_queue]") {
  subscribe(2);
  upload(a);
  REQUIRE(ask<video>(catalog, finalize_atom_v, a));
  CHECK(log->hashes() == strings{a});
  ack(log->jobs.front().id);
  CHECK(jobs().empty());
  pass(30s, 1s);
  CHECK(log->jobs.size() == 1);
}

TEST_CASE_METHOD(queue_fixture, "a consumer has no more jobs than it gave credit for", "[embedded_queue]") {
  for (auto& hash : {a, b, c})
    queued(hash);
  subscribe(2);
  CHECK(log->hashes() == strings{a, b});
  pass(10s, 1s);
  CHECK(log->hashes() == strings{a, b});
  ack(log->jobs[0].id);
  CHECK(log->hashes() == strings{a, b, c});
}

TEST_CASE_METHOD(queue_fixture, "the same job is in one pair of hands, however often there is word of it",
                 "[embedded_queue]") {
  queued(a);
  subscribe(10);
  for (auto i = 0; i < 3; ++i) {
    tell(queue, enqueue_atom_v, a);
    tell(queue, outbox_atom_v);
  }
  CHECK(log->jobs.size() == 1);
  ack(log->jobs[0].id);
  ack(log->jobs[0].id);
  ack(12345);
  CHECK(log->jobs.size() == 1);
}

TEST_CASE_METHOD(queue_fixture, "a job that is put off gives its credit back and comes again", "[embedded_queue]") {
  queued(a);
  queued(b);
  subscribe(1);
  tell(queue, later_atom_v, log->jobs[0].id, caf::timespan{30s}, std::string{"busy"});
  CHECK(log->hashes() == strings{a, b});
  ack(log->jobs[1].id);
  pass(29s, 1s);
  CHECK(log->jobs.size() == 2);
  pass(4s, 1s);
  CHECK(log->hashes() == strings{a, b, a});
  CHECK(log->jobs[2].id == log->jobs[0].id);
}

TEST_CASE_METHOD(queue_fixture, "a job that is given up doesn't come again, and its video says why",
                 "[embedded_queue]") {
  queued(a);
  subscribe(1);
  tell(queue, dead_atom_v, log->jobs[0].id, std::string{"It can't be done."});
  pass(3min, 1s);
  CHECK(log->jobs.size() == 1);
  CHECK(db->get(a)->status == video_status::failed);
  CHECK(db->get(a)->error == "It can't be done.");
}

TEST_CASE_METHOD(queue_fixture, "a consumer that is drained gets no more, and may end what it has",
                 "[embedded_queue]") {
  queued(a);
  queued(b);
  subscribe(1);
  tell(queue, drain_atom_v, consumer);
  ack(log->jobs[0].id);
  pass(10s, 1s);
  CHECK(log->hashes() == strings{a});
  CHECK(jobs() == strings{b});
  subscribe(1);
  CHECK(log->hashes() == strings{a, b});
}

TEST_CASE_METHOD(queue_fixture, "what a lost consumer held goes to another", "[embedded_queue]") {
  queued(a);
  subscribe(1);
  auto other = std::make_shared<consumer_log>();
  job_consumer heir = spawn(logging_consumer, other);
  tell(queue, subscribe_atom_v, heir, std::uint32_t{1});
  CHECK(other->jobs.empty());
  self->send_exit(consumer, caf::exit_reason::kill);
  run();
  CHECK(other->hashes() == strings{a});
}

TEST_CASE_METHOD(queue_fixture, "several consumers share the work", "[embedded_queue]") {
  auto other = std::make_shared<consumer_log>();
  job_consumer second = spawn(logging_consumer, other);
  subscribe(2);
  tell(queue, subscribe_atom_v, second, std::uint32_t{2});
  queued(a);
  queued(b);
  tell(queue, outbox_atom_v);
  CHECK(log->jobs.size() == 1);
  CHECK(other->jobs.size() == 1);
}

TEST_CASE_METHOD(queue_fixture, "what was in hand comes again from the next queue", "[embedded_queue]") {
  queued(a);
  subscribe(1);
  self->send_exit(queue, caf::exit_reason::kill);
  run();
  restart();
  subscribe(1);
  CHECK(log->hashes() == strings{a, a});
}

TEST_CASE_METHOD(queue_fixture, "how a job ended is told until the catalog knows it", "[embedded_queue]") {
  queued(a);
  queued(b);
  subscribe(1);
  auto what = GENERATE(test::fate::kind::refuse, test::fate::kind::swallow);
  *policy = [what](const caf::message& message) {
    return test::begins_with(message, ack_atom_v) ? test::fate{what, {errc::disk_full, "no space"}} : test::fate{};
  };
  ack(log->jobs[0].id);
  // The credit is back; the job is not delivered again meanwhile.
  CHECK(log->hashes() == strings{a, b});
  pass(30s, 1s);
  CHECK(log->hashes() == strings{a, b});
  CHECK(jobs() == strings{a, b});
  *policy = nullptr;
  pass(15s, 1s);
  CHECK(jobs() == strings{b});
}

TEST_CASE_METHOD(queue_fixture, "a catalog that fails is asked again", "[embedded_queue]") {
  *policy = [](const caf::message& message) {
    return test::begins_with(message, jobs_atom_v) ? test::fate{test::fate::kind::swallow, {}} : test::fate{};
  };
  queued(a);
  subscribe(1);
  CHECK(log->jobs.empty());
  *policy = nullptr;
  pass(15s, 1s);
  CHECK(log->hashes() == strings{a});
}

TEST_CASE_METHOD(queue_fixture, "videos without a job are found every minute", "[embedded_queue]") {
  queued(a);
  auto due = *db->due_jobs(10);
  REQUIRE(db->ack(due.front().id));
  subscribe(1);
  pass(59s, 1s);
  CHECK(log->jobs.empty());
  pass(2s, 1s);
  CHECK(log->hashes() == strings{a});
}

TEST_CASE_METHOD(queue_fixture, "a video that is tried again comes when its first job has left the hand",
                 "[embedded_queue]") {
  queued(a);
  subscribe(5);
  auto job = ask<claimed_job>(catalog, claim_atom_v, a, std::string{"me"}, std::string{}, caf::timespan{30s});
  REQUIRE(job);
  REQUIRE(ask<video>(catalog, fail_atom_v, job->claim, std::string{"why"}));
  REQUIRE(ask<video>(catalog, retry_atom_v, a));
  CHECK(log->jobs.size() == 1);
  ack(log->jobs[0].id);
  CHECK(log->hashes() == strings{a, a});
  CHECK(log->jobs[0].id != log->jobs[1].id);
}
