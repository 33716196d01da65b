/// What the dispatcher costs a task, with few encoders and with many: simulated ones that take 10 ms for a segment, in
/// four processes that are joined to the dispatcher's over the network, as workers are. Ends with status 1 where many
/// cost more than 1.2 times what few do.

#include "actors/dispatcher.hpp"

#include "actors/node_link.hpp"
#include "bench/storing_job.hpp"

#include <caf/io/all.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <map>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t processes = 4;
constexpr std::uint32_t videos = 16;
constexpr int runs = 5;
constexpr double limit = 1.2;
constexpr caf::timespan task_time = 10ms;
const std::vector<std::string> identifier{"bench"};

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(EXIT_FAILURE);
}

// -- the encoders ---------------------------------------------------------------------------------

using sleeping_encoder_actor = vp::encoder_actor::extend<caf::reacts_to<vp::tick_atom>>;

struct sleeper {
  caf::typed_response_promise<vp::segment_result> answer;
  vp::segment_result result;
};

sleeping_encoder_actor::behavior_type sleeping_encoder(sleeping_encoder_actor::stateful_pointer<sleeper> self) {
  return {
      [](vp::analyze_atom, const vp::analyze_task&) { return vp::media::analysis{}; },
      [self](vp::encode_atom, const vp::segment_task& task) -> caf::result<vp::segment_result> {
        auto& state = self->state;
        state.answer = self->make_response_promise<vp::segment_result>();
        state.result = vp::bench::empty_result(task);
        self->delayed_send(self, task_time, vp::tick_atom_v);
        return state.answer;
      },
      [](vp::cancel_atom, const std::string&) {},
      [](vp::renew_atom) {},
      [self](vp::tick_atom) { self->state.answer.deliver(std::move(self->state.result)); },
  };
}

/// One of the processes: until the dispatcher is gone.
int encode(std::uint16_t port, std::uint32_t count, std::uint32_t node) {
  vp::node_config config{identifier};
  caf::actor_system system{config};
  auto found = system.middleman().remote_actor<vp::dispatcher_actor>("127.0.0.1", port);
  if (!found)
    give_up(system.render(found.error()));
  std::vector<caf::actor> encoders;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto encoder = system.spawn(sleeping_encoder);
    encoders.push_back(caf::actor_cast<caf::actor>(encoder));
    caf::anon_send(*found, vp::register_atom_v, vp::encoder_actor{encoder},
                   vp::encoder_info{"node" + std::to_string(node), i + 1, "run"});
  }
  caf::scoped_actor self{system};
  self->monitor(*found);
  self->receive([](const caf::down_msg&) {});
  ::_exit(EXIT_SUCCESS);
}

pid_t start_process(std::uint16_t port, std::uint32_t count, std::uint32_t node) {
  std::array<std::string, 4> words{"dispatcher_load", std::to_string(port), std::to_string(count),
                                   std::to_string(node)};
  std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  pid_t made = 0;
  if (::posix_spawn(&made, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ) != 0)
    give_up("can't start a process");
  return made;
}

// -- the dispatcher -------------------------------------------------------------------------------

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct cost {
  double cpu_us; ///< of this process, for one task
  double rate;   ///< tasks per second
};

cost measure(std::uint32_t encoders, std::uint32_t tasks) {
  vp::node_config config{identifier};
  caf::actor_system system{config};
  auto dispatcher = system.spawn(vp::dispatcher, vp::dispatcher_config{});
  const auto port = system.middleman().publish(dispatcher, 0, "127.0.0.1");
  if (!port)
    give_up(system.render(port.error()));
  std::vector<pid_t> started;
  for (std::uint32_t i = 0; i < processes; ++i)
    started.push_back(start_process(*port, encoders / processes, i));
  caf::scoped_actor self{system};
  const auto deadline = std::chrono::steady_clock::now() + 1min;
  for (std::size_t here = 0; here < encoders; std::this_thread::sleep_for(10ms)) {
    if (std::chrono::steady_clock::now() > deadline)
      give_up("the encoders do not come");
    self->request(dispatcher, 10s, vp::status_atom_v)
        .receive([&](const vp::dispatcher_status& status) { here = status.encoders.size(); },
                 [&](const caf::error& problem) { give_up(system.render(problem)); });
  }

  vp::bench::give_segments(system, dispatcher, videos, tasks / 8); // all have begun, nothing is new
  const auto begin = std::chrono::steady_clock::now();
  const auto before = cpu_seconds();
  vp::bench::give_segments(system, dispatcher, videos, tasks);
  const auto cpu = cpu_seconds() - before;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;

  self->send_exit(dispatcher, caf::exit_reason::user_shutdown);
  for (auto each : started)
    ::waitpid(each, nullptr, 0);
  return {1e6 * cpu / tasks, tasks / wall.count()};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  if (argc == 4)
    return encode(static_cast<std::uint16_t>(std::atoi(argv[1])), static_cast<std::uint32_t>(std::atoi(argv[2])),
                  static_cast<std::uint32_t>(std::atoi(argv[3])));
  const std::map<std::uint32_t, std::uint32_t> tasks_for{{16, 16'000}, {64, 32'000}, {256, 64'000}};
  std::map<std::uint32_t, std::vector<double>> cpu;
  std::map<std::uint32_t, std::vector<double>> rate;
  for (int run = 0; run < runs; ++run)
    for (auto [encoders, tasks] : tasks_for) {
      const auto one = measure(encoders, tasks);
      cpu[encoders].push_back(one.cpu_us);
      rate[encoders].push_back(one.rate);
    }
  std::puts(
      "| encoders in 4 processes | CPU of the dispatcher's process, us a task | tasks per second |\n|---|---|---|");
  for (const auto& [encoders, all] : cpu)
    fmt::print("| {} | {:.1f} | {:.0f} |\n", encoders, median(all), median(rate[encoders]));
  const auto ratio = median(cpu[256]) / median(cpu[16]);
  fmt::print("\n256 encoders cost {:.2f} times what 16 do (limit {}): {}\n", ratio, limit,
             ratio <= limit ? "kept" : "MISSED");
  return ratio <= limit ? EXIT_SUCCESS : EXIT_FAILURE;
}
