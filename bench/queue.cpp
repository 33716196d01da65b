/// Jobs per second through the durable queue, without any transcoding: a backlog of videos that were just finalized,
/// and a consumer that acknowledges each job as soon as it has it. With the address of a Kafka broker as its argument
/// over Kafka, else over the embedded queue. What is left of a job in the database and at the broker is the real thing.

#include "actors/catalog.hpp"
#include "actors/embedded_queue.hpp"
#include "actors/error.hpp"
#include "actors/kafka_bridge.hpp"
#include "actors/outbox_publisher.hpp"
#include "actors/pipeline.hpp"
#include "tests/support/temporary_folder.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;
using clock_type = std::chrono::steady_clock;

constexpr int runs = 5;
constexpr std::uint32_t backlog = 2000;
constexpr std::uint32_t credit = 32; // as `serve --jobs` has it

[[noreturn]] void fail(const std::string& why) {
  fmt::print(stderr, "queue: {}\n", why);
  std::exit(EXIT_FAILURE);
}

template <class T>
T must(vp::result<T> from) {
  if (!from)
    fail(from.error().text);
  if constexpr (!std::is_void_v<T>)
    return std::move(*from);
}

/// Tells when the first job came, once it has acknowledged the last one.
vp::job_consumer::behavior_type acknowledging(vp::job_consumer::pointer self, const vp::job_queue_actor& queue,
                                              const std::shared_ptr<std::promise<clock_type::time_point>>& all) {
  auto left = std::make_shared<std::uint32_t>(backlog);
  auto begin = std::make_shared<clock_type::time_point>();
  return {[=](vp::deliver_atom, const vp::job& job) {
    if (*left == backlog)
      *begin = clock_type::now();
    self->send(queue, vp::ack_atom_v, job.id);
    if (--*left == 0)
      all->set_value(*begin);
  }};
}

/// A folder, a database and the actors of the queue; ended with all that is in it.
class queue_run {
public:
  explicit queue_run(std::optional<vp::kafka::settings> kafka) : kafka_(std::move(kafka)) {
    must(vp::make_folder(folder_.uploads()));
    auto db = must(vp::database::open(folder_.database()));
    for (std::uint32_t i = 0; i < backlog; ++i) {
      auto hash = fmt::format("{:064x}", i);
      must(db->open_video(hash, {"title", "", "", "", 10, 1, 10}, false));
      must(db->add_chunk(hash, 0, 10));
      must(db->finalize(hash));
    }
    catalog_ = keep(system_.spawn<caf::detached>(vp::catalog, vp::catalog_config{std::move(db), folder_}));
    start_queue();
  }
  queue_run(const queue_run&) = delete;
  queue_run& operator=(const queue_run&) = delete;
  ~queue_run() {
    for (auto& each : actors_)
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
    system_.await_all_actors_done();
  }

  /// From the first job until nothing is left of the last one, where the queue keeps its jobs.
  seconds time() {
    auto all = std::make_shared<std::promise<clock_type::time_point>>();
    auto consumer = keep(system_.spawn(acknowledging, queue_, all));
    caf::anon_send(queue_, vp::subscribe_atom_v, consumer, credit);
    auto begun = all->get_future();
    if (begun.wait_for(2min) != std::future_status::ready)
      fail("the jobs did not come");
    if (kafka_)
      leave_group();
    else
      await_empty_outbox();
    return clock_type::now() - begun.get();
  }

private:
  void start_queue() {
    if (!kafka_) {
      vp::embedded_queue_config config;
      config.catalog = catalog_;
      queue_ = keep(system_.spawn(vp::embedded_queue, config));
      return;
    }
    vp::outbox_publisher_config publisher;
    publisher.catalog = catalog_;
    publisher.folder = folder_;
    publisher.kafka = *kafka_;
    publisher.owner = "bench";
    vp::kafka_bridge_config bridge;
    bridge.catalog = catalog_;
    bridge.publisher = keep(system_.spawn<caf::detached>(vp::outbox_publisher, publisher));
    bridge.kafka = *kafka_;
    queue_ = keep(system_.spawn<caf::detached>(vp::kafka_bridge, bridge));
  }

  /// On its way out the bridge writes the last offsets.
  void leave_group() {
    caf::scoped_actor self{system_};
    self->monitor(queue_);
    self->send_exit(queue_, caf::exit_reason::user_shutdown);
    self->receive([](const caf::down_msg&) {});
  }

  void await_empty_outbox() {
    caf::scoped_actor self{system_};
    for (auto empty = false; !empty;) {
      std::this_thread::sleep_for(1ms);
      self->request(catalog_, 1min, vp::jobs_atom_v, std::uint32_t{1})
          .receive([&](const std::vector<vp::job>& left) { empty = left.empty(); },
                   [](const caf::error& problem) { fail(vp::from_caf(problem).text); });
    }
  }

  template <class Handle>
  Handle keep(Handle made) {
    actors_.push_back(caf::actor_cast<caf::actor>(made));
    return made;
  }

  std::optional<vp::kafka::settings> kafka_;
  vp::test::temporary_folder where_; // declared before all who write there
  vp::data_folder folder_{where_.path()};
  vp::system_config config_;
  caf::actor_system system_{config_};
  std::vector<caf::actor> actors_;
  vp::catalog_actor catalog_;
  vp::job_queue_actor queue_;
};

} // namespace

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::err);
  std::vector<double> rates;
  for (int run = 0; run < runs; ++run) {
    std::optional<vp::kafka::settings> kafka;
    if (argc > 1) {
      kafka.emplace();
      kafka->brokers = argv[1];
      // Topics of its own each time, so that it reads nothing but its own jobs.
      kafka->jobs_topic = fmt::format("bench-jobs-{}-{}", ::getpid(), run);
      kafka->events_topic = fmt::format("bench-events-{}-{}", ::getpid(), run);
    }
    rates.push_back(backlog / queue_run{kafka}.time().count());
  }
  std::sort(rates.begin(), rates.end());
  fmt::print("{:.0f} ({:.0f} to {:.0f})\n", rates[runs / 2], rates.front(), rates.back());
}
