/// The server without processes of workers: does what is queued in a data folder with encoders of its own, and ends.
/// What `workers.py` compares with.

#include "actors/error.hpp"
#include "actors/pipeline.hpp"

#include <caf/all.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

bool is_over(const vp::video& one) {
  return one.status == vp::video_status::completed || one.status == vp::video_status::failed;
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "in_process DATA ENCODERS PRESET CRF\n");
    return EXIT_FAILURE;
  }
  vp::pipeline_config config;
  config.data = argv[1];
  config.encoders = static_cast<std::uint32_t>(std::atoi(argv[2]));
  config.settings.preset = argv[3];
  config.settings.crf = std::atof(argv[4]);
  vp::system_config settings;
  caf::actor_system system{settings};
  auto started = vp::pipeline::start(system, config, std::make_shared<prometheus::Registry>());
  if (!started) {
    fmt::print(stderr, "{}\n", started.error().text);
    return EXIT_FAILURE;
  }
  caf::scoped_actor self{system};
  for (auto over = false; !over; std::this_thread::sleep_for(100ms))
    self->request((*started)->catalog(), 10s, vp::list_atom_v)
        .receive([&](const std::vector<vp::video>& all) { over = std::all_of(all.begin(), all.end(), is_over); },
                 [](const caf::error& problem) { fmt::print(stderr, "{}\n", vp::from_caf(problem).text); });
}
