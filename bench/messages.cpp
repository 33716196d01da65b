/// Messages per second through the actors: a bare round trip, the bridge from Asio, and segments through the dispatcher
/// with encoders that do nothing. What the pipeline can never be faster than.

#include "actors/ask.hpp"
#include "actors/dispatcher.hpp"
#include "actors/interfaces.hpp"
#include "bench/storing_job.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr int runs = 5;
const caf::timespan patience = 1min;

struct config : caf::actor_system_config {
  config() {
    vp::add_message_types(*this);
    set("scheduler.policy", caf::atom("sharing"));
  }
};

/// Runs `work`, which handles `count` messages, several times and prints the median rate.
template <class Work>
void measure(const char* name, std::size_t count, Work work) {
  std::vector<double> rates;
  for (int run = 0; run < runs; ++run) {
    auto begin = std::chrono::steady_clock::now();
    work();
    rates.push_back(static_cast<double>(count)
                    / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(rates.begin(), rates.end());
  std::printf("| %s | %.0f (%.0f to %.0f) |\n", name, rates[runs / 2], rates.front(), rates.back());
}

/// An encoder that has nothing to do but answer.
vp::encoder_actor::behavior_type idle_encoder(vp::encoder_actor::pointer) {
  return {
      [](vp::analyze_atom, const vp::analyze_task&) { return vp::media::analysis{}; },
      [](vp::encode_atom, const vp::segment_task& task) { return vp::bench::empty_result(task); },
      [](vp::cancel_atom, const std::string&) {},
      [](vp::renew_atom) {},
  };
}

/// One after the other: a request and its answer each.
void round_trips(caf::actor_system& system, const vp::encoder_actor& whom, std::size_t count) {
  caf::scoped_actor self{system};
  for (std::size_t i = 0; i < count; ++i)
    self->request(whom, patience, vp::analyze_atom_v, vp::analyze_task{})
        .receive([](const vp::media::analysis&) {}, [](const caf::error&) { std::abort(); });
}

/// Through the bridge that the HTTP server uses, `width` coroutines at a time.
void asks(caf::actor_system& system, const vp::encoder_actor& whom, std::size_t count, std::size_t width) {
  boost::asio::io_context context;
  auto client = [&]() -> boost::asio::awaitable<void> {
    // A temporary in an awaited call is freed twice by g++ 12.
    const vp::analyze_task task;
    for (std::size_t i = 0; i < count / width; ++i)
      if (!co_await vp::ask<vp::media::analysis>(system, whom, patience, vp::analyze_atom_v, task))
        std::abort();
  };
  for (std::size_t i = 0; i < width; ++i)
    boost::asio::co_spawn(context, client(), boost::asio::detached);
  context.run();
}

} // namespace

int main() {
  config settings;
  caf::actor_system system{settings};
  auto encoder = system.spawn(idle_encoder);
  std::puts("| through | per second, median (min to max) |\n|---|---|");
  measure("a request and its answer, one after the other", 50'000, [&] { round_trips(system, encoder, 50'000); });
  measure("`ask()` from Asio, 32 coroutines", 64'000, [&] { asks(system, encoder, 64'000, 32); });

  auto dispatcher = system.spawn(vp::dispatcher, vp::dispatcher_config{});
  std::vector<vp::encoder_actor> encoders;
  for (int i = 0; i < 4; ++i) {
    encoders.push_back(system.spawn(idle_encoder));
    caf::anon_send(dispatcher, vp::register_atom_v, encoders.back(), vp::encoder_info{"node", 1, "run"});
  }
  measure("segments through the dispatcher, 10 videos, 4 encoders", 20'000,
          [&] { vp::bench::give_segments(system, dispatcher, 10, 20'000); });
  caf::anon_send_exit(dispatcher, caf::exit_reason::user_shutdown);
  for (auto& each : encoders)
    caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(encoder, caf::exit_reason::user_shutdown);
}
