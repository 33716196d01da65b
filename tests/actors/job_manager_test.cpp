#include "actors/job_manager.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

using namespace vp;
using namespace std::chrono_literals;

namespace {

const auto video_a = test::hash_of('a');
const auto video_b = test::hash_of('b');

/// A job that does what the test says, when it says so.
struct job_script {
  finish_listener listener;
  upload_session_actor upload; ///< that it was begun with
  transcode_job_actor actor;
  std::vector<bool> cancels; ///< what `cancel` was asked with
  bool deaf = false;         ///< does not answer `cancel`
};

transcode_job_actor::behavior_type scripted_job(transcode_job_actor::pointer self, std::string hash,
                                                std::shared_ptr<job_script> script) {
  auto finish = [self, hash, script](job_end how) {
    self->send(script->listener, finish_atom_v, job_outcome{hash, how, "because"});
  };
  return {
      // The test says how the job ends by the number of this segment.
      [finish](result_atom, const segment_result& x) { finish(static_cast<job_end>(x.segment)); },
      [](fail_atom, const std::string&, std::uint32_t, const caf::error&) {},
      [](progress_atom) { return progress{}; },
      [self, finish, script](cancel_atom, bool give_back) -> caf::result<void> {
        script->cancels.push_back(give_back);
        if (script->deaf) {
          auto held = self->make_response_promise();
          return held;
        }
        finish(give_back ? job_end::put_back : job_end::cancelled);
        self->quit();
        return caf::unit;
      },
      [](tick_atom) {},
      [](begin_atom, const std::vector<cell_part>&) {},
      [](arrive_atom, const arrival&) {},
      [](wish_atom, const fragment_wish& what) -> caf::result<std::uint64_t> { return what.segment; },
      [](await_atom, const std::string&, std::uint64_t) -> caf::result<void> { return caf::unit; },
      [](abort_atom, const std::string&, std::uint64_t) {},
  };
}

struct answer {
  std::string what;
  std::uint64_t id = 0;
  caf::timespan wait{};

  friend bool operator==(const answer&, const answer&) = default;
};

std::ostream& operator<<(std::ostream& out, const answer& x) {
  return out << x.what << ' ' << x.id << ' ' << x.wait.count();
}

struct manager_fixture : test::actor_fixture {
  job_manager_config config;
  std::vector<answer> answers;
  std::uint32_t credit = 0;
  bool drained = false;
  job_queue_actor queue;
  job_manager_actor manager;
  std::vector<std::shared_ptr<job_script>> jobs;

  void start() {
    queue = spawn([this](job_queue_actor::pointer) -> job_queue_actor::behavior_type {
      return {
          [](outbox_atom) {},
          [](enqueue_atom, const std::string&) {},
          [this](subscribe_atom, const job_consumer&, std::uint32_t count) { credit = count; },
          [this](drain_atom, const job_consumer&) { drained = true; },
          [this](ack_atom, std::uint64_t id) {
            answers.push_back({"ack", id, {}});
          },
          [this](later_atom, std::uint64_t id, caf::timespan wait, const std::string&) {
            answers.push_back({"later", id, wait});
          },
          [this](dead_atom, std::uint64_t id, const std::string&) {
            answers.push_back({"dead", id, {}});
          },
          [](status_atom) { return queue_status{}; },
      };
    });
    job_starter starter = [this](const std::string& hash, const upload_session_actor& upload,
                                 const finish_listener& listener) -> transcode_job_actor {
      auto script = std::make_shared<job_script>();
      script->upload = upload;
      script->listener = listener;
      script->actor = spawn(scripted_job, hash, script);
      jobs.push_back(script);
      return script->actor;
    };
    manager = spawn(job_manager, config, queue, starter);
    run();
  }

  void deliver(std::uint64_t id, const std::string& hash) { tell(manager, deliver_atom_v, job{id, hash}); }

  void end(const std::shared_ptr<job_script>& which, job_end how) {
    segment_result said;
    said.segment = static_cast<std::uint32_t>(how);
    tell(which->actor, result_atom_v, said);
    self->send_exit(which->actor, caf::exit_reason::user_shutdown);
    run();
  }

  void crash(const std::shared_ptr<job_script>& which) {
    self->send_exit(which->actor, caf::exit_reason::unhandled_exception);
    run();
  }

  template <class Handle>
  bool alive(const Handle& whom) {
    return !caf::actor_cast<caf::abstract_actor*>(whom)->getf(caf::abstract_actor::is_terminated_flag);
  }
};

} // namespace

TEST_CASE_METHOD(manager_fixture, "each delivery starts a job, and its outcome is one answer", "[job_manager]") {
  config.concurrency = 7;
  start();
  CHECK(credit == 7);
  auto [how, expected] = GENERATE(table<job_end, answer>({
      {job_end::completed, {"ack", 1, 0s}},
      {job_end::failed, {"dead", 1, 0s}},
      {job_end::cancelled, {"ack", 1, 0s}},
      {job_end::busy, {"later", 1, 2s}},
      {job_end::put_back, {"later", 1, 10s}},
  }));
  deliver(1, video_a);
  REQUIRE(jobs.size() == 1);
  CHECK(config.metrics->jobs_running.Value() == 1);
  end(jobs[0], how);
  CHECK(answers == std::vector{expected});
  CHECK(config.metrics->jobs_running.Value() == 0);
}

TEST_CASE_METHOD(manager_fixture, "videos are worked on side by side, each by one job", "[job_manager]") {
  start();
  deliver(1, video_a);
  deliver(2, video_b);
  CHECK(jobs.size() == 2);
  deliver(1, video_a); // The same delivery once more.
  CHECK(answers.empty());
  deliver(3, video_a); // Another one for the same video.
  CHECK(jobs.size() == 2);
  CHECK(answers == std::vector<answer>{{"later", 3, 2s}});
  end(jobs[0], job_end::completed);
  deliver(3, video_a);
  CHECK(jobs.size() == 3);
}

TEST_CASE_METHOD(manager_fixture, "an outcome said twice, or by an earlier job, counts once", "[job_manager]") {
  start();
  deliver(1, video_a);
  segment_result completed;
  self->send(jobs[0]->actor, result_atom_v, completed);
  self->send(jobs[0]->actor, result_atom_v, completed);
  run();
  CHECK(answers.size() == 1);
  deliver(2, video_a);
  REQUIRE(jobs.size() == 2);
  self->send(jobs[0]->actor, result_atom_v, completed);
  run();
  CHECK(answers.size() == 1);
  CHECK(config.metrics->jobs_running.Value() == 1);
}

TEST_CASE_METHOD(manager_fixture, "a job that breaks off is tried again, ever later", "[job_manager]") {
  start();
  std::uint64_t id = 0;
  for (auto wait : {5s, 10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    deliver(++id, video_a);
    crash(jobs.back());
    CHECK(answers.back() == answer{"later", id, wait});
  }
  // Until one ends in order.
  deliver(100, video_a);
  end(jobs.back(), job_end::busy);
  deliver(101, video_a);
  crash(jobs.back());
  CHECK(answers.back() == answer{"later", 101, 5s});
}

TEST_CASE_METHOD(manager_fixture, "cancelling ends the job of one video and leaves its claim", "[job_manager]") {
  start();
  deliver(1, video_a);
  deliver(2, video_b);
  REQUIRE(ask<void>(manager, cancel_atom_v, video_a));
  CHECK(jobs[0]->cancels == std::vector{false});
  CHECK(jobs[1]->cancels.empty());
  CHECK(answers == std::vector<answer>{{"ack", 1, 0s}});
  REQUIRE(ask<void>(manager, cancel_atom_v, video_a)); // Again: there is none.
  CHECK(answers.size() == 1);
}

TEST_CASE_METHOD(manager_fixture, "a job that does not react to being cancelled is ended", "[job_manager]") {
  start();
  deliver(1, video_a);
  jobs[0]->deaf = true;
  auto cancelled = request(manager, cancel_atom_v, video_a);
  advance(6900ms);
  CHECK_FALSE(cancelled.answered());
  advance(100ms);
  CHECK(cancelled.get<void>());
  CHECK_FALSE(alive(jobs[0]->actor));
  CHECK(answers == std::vector<answer>{{"ack", 1, 0s}});
}

TEST_CASE_METHOD(manager_fixture, "draining puts everything back and takes nothing more", "[job_manager]") {
  start();
  deliver(1, video_a);
  deliver(2, video_b);
  REQUIRE(ask<void>(manager, drain_atom_v));
  CHECK(drained);
  CHECK(jobs[0]->cancels == std::vector{true});
  CHECK(jobs[1]->cancels == std::vector{true});
  CHECK(answers.size() == 2);
  for (auto& x : answers) {
    CHECK(x.what == "later");
    CHECK(x.wait == 0s);
  }
  deliver(3, test::hash_of('c')); // It was on its way.
  CHECK(jobs.size() == 2);
  CHECK(answers.back() == answer{"later", 3, 0s});
  CHECK(ask<void>(manager, drain_atom_v)); // Again is harmless.
}

TEST_CASE_METHOD(manager_fixture, "draining ends in time whatever the jobs do", "[job_manager]") {
  start();
  deliver(1, video_a);
  deliver(2, video_b);
  jobs[0]->deaf = true;
  auto drain = request(manager, drain_atom_v);
  advance(6900ms);
  CHECK_FALSE(drain.answered());
  CHECK(answers == std::vector<answer>{{"later", 2, 0s}});
  advance(100ms);
  CHECK(drain.get<void>());
  CHECK_FALSE(alive(jobs[0]->actor));
  CHECK(answers.back() == answer{"later", 1, 0s});
}

TEST_CASE_METHOD(manager_fixture, "jobs end with their manager", "[job_manager]") {
  start();
  deliver(1, video_a);
  self->send_exit(manager, caf::exit_reason::user_shutdown);
  run();
  CHECK_FALSE(alive(jobs[0]->actor));
}

// -- uploads --------------------------------------------------------------------------------------

namespace {

struct upload_fixture : manager_fixture {
  upload_session_actor session = spawn(test::scripted_session, std::make_shared<test::session_log>());

  void preview(const std::string& hash) { tell(manager, preview_atom_v, hash, session); }
};

} // namespace

TEST_CASE_METHOD(upload_fixture, "the job of an upload begins once, and ends without a word to the queue",
                 "[job_manager]") {
  start();
  preview(video_a);
  preview(video_a);
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0]->upload == session);
  end(jobs[0], job_end::put_back);
  CHECK(answers.empty());
  // The next chunk begins it again.
  preview(video_a);
  CHECK(jobs.size() == 2);
}

TEST_CASE_METHOD(upload_fixture, "the delivery of an upload that is whole is answered by the job that runs",
                 "[job_manager]") {
  start();
  preview(video_a);
  deliver(7, video_a);
  REQUIRE(jobs.size() == 1);
  CHECK(answers.empty());
  end(jobs[0], job_end::completed);
  CHECK(answers == std::vector<answer>{{"ack", 7, {}}});
}

TEST_CASE_METHOD(upload_fixture, "an upload whose job could do nothing waits until it is whole", "[job_manager]") {
  start();
  preview(video_a);
  end(jobs[0], job_end::not_yet);
  preview(video_a);
  CHECK(jobs.size() == 1);
  deliver(7, video_a);
  REQUIRE(jobs.size() == 2);
  CHECK_FALSE(jobs[1]->upload);
  end(jobs[1], job_end::completed);
  // What is begun anew under the same name is another upload.
  preview(video_a);
  CHECK(jobs.size() == 3);
}

TEST_CASE_METHOD(upload_fixture, "an upload that another server works on is not asked for with every chunk",
                 "[job_manager]") {
  start();
  preview(video_a);
  end(jobs[0], job_end::busy);
  preview(video_a);
  CHECK(jobs.size() == 1);
  advance(config.busy_wait);
  preview(video_a);
  CHECK(jobs.size() == 2);
}

TEST_CASE_METHOD(upload_fixture, "an upload whose job breaks off is left alone until it is whole", "[job_manager]") {
  start();
  preview(video_a);
  crash(jobs[0]);
  preview(video_a);
  CHECK(jobs.size() == 1);
  CHECK(answers.empty());
}

TEST_CASE_METHOD(upload_fixture, "uploads have so many jobs and no more", "[job_manager]") {
  config.previews = 1;
  start();
  preview(video_a);
  preview(video_b);
  CHECK(jobs.size() == 1);
  // A video of the queue takes no place of theirs.
  deliver(7, video_a);
  preview(video_b);
  CHECK(jobs.size() == 2);
}

TEST_CASE_METHOD(upload_fixture, "wishes go to the job of their video", "[job_manager]") {
  start();
  CHECK(ask<std::uint64_t>(manager, wish_atom_v, fragment_wish{video_a, "720p", 3, "me"}).error().code
        == errc::conflict);
  preview(video_a);
  CHECK(ask<std::uint64_t>(manager, wish_atom_v, fragment_wish{video_a, "720p", 3, "me"}) == 3U);
  CHECK(ask<void>(manager, await_atom_v, video_a, std::uint64_t{3}));
  // Of a video that nobody works on the disk tells.
  CHECK(ask<void>(manager, await_atom_v, video_b, std::uint64_t{3}));
}
