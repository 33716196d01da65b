/// Jobs per second through the durable queue, without any transcoding: a backlog of videos that were just finalized,
/// and a consumer that acknowledges each job as soon as it has it. With the address of a Kafka broker as its argument
/// over Kafka, else over the embedded queue. What is left of a job in the database and at the broker is the real thing.

#include "actors/catalog.hpp"
#include "actors/embedded_queue.hpp"
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

/// From the first job to the last acknowledgement.
vp::job_consumer::behavior_type acknowledging(vp::job_consumer::pointer self, vp::job_queue_actor queue,
                                              std::shared_ptr<std::promise<seconds>> all) {
  auto left = std::make_shared<std::uint32_t>(backlog);
  auto begin = std::make_shared<clock_type::time_point>();
  return {[=](vp::deliver_atom, const vp::job& job) {
    if (*left == backlog)
      *begin = clock_type::now();
    self->send(queue, vp::ack_atom_v, job.id);
    if (--*left == 0)
      all->set_value(clock_type::now() - *begin);
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

  seconds time() {
    auto all = std::make_shared<std::promise<seconds>>();
    auto consumer = keep(system_.spawn(acknowledging, queue_, all));
    caf::anon_send(queue_, vp::subscribe_atom_v, consumer, credit);
    auto taken = all->get_future();
    if (taken.wait_for(2min) != std::future_status::ready)
      fail("the jobs did not come");
    return taken.get();
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
