#pragma once

#include "actors/dispatcher.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace vp::test {

inline const auto video_a = hash_of('a');
inline const auto video_b = hash_of('b');

/// A dispatcher with encoders and listeners that do as they are told.
struct dispatcher_fixture : actor_fixture {
  dispatcher_config config;
  dispatcher_actor dispatcher;

  void start() { dispatcher = spawn(vp::dispatcher, config); }

  struct one_encoder {
    encoder_actor actor;
    std::shared_ptr<encoder_script> script;
  };

  one_encoder add_encoder(std::shared_ptr<encoder_script> script = std::make_shared<encoder_script>(),
                          const std::string& node = "node", bool on_demand = false) {
    encoder_actor actor = spawn(scripted_encoder, script);
    tell(dispatcher, register_atom_v, actor, encoder_info{node, 1, "run of " + node, on_demand});
    return {actor, script};
  }

  /// One that does only what viewers can't wait for.
  one_encoder add_on_demand() { return add_encoder(std::make_shared<encoder_script>(), "node", true); }

  /// Two of these that do as one script says.
  std::shared_ptr<encoder_script> add_two_on_demand(caf::timespan takes) {
    auto script = std::make_shared<encoder_script>();
    script->takes = takes;
    for (auto i = 0; i < 2; ++i)
      add_encoder(script, "node", true);
    return script;
  }

  using begun = std::vector<std::pair<std::string, std::uint32_t>>;

  /// `sought`: how many of the urgent ones, if not all.
  void wish(std::vector<cell_part> urgent, std::vector<cell_part> later = {},
            std::uint32_t sought = std::numeric_limits<std::uint32_t>::max(), std::uint32_t soon = 0,
            const std::string& video = video_a) {
    tell(dispatcher, want_atom_v, video, viewer_needs{std::move(urgent), std::move(later), sought, soon});
    run();
  }

  struct one_order {
    order_listener listener;
    std::shared_ptr<listener_log> log;

    std::size_t fragments() const {
      return std::accumulate(log->results.begin(), log->results.end(), std::size_t{0},
                             [](std::size_t sum, const auto& result) { return sum + result.fragments.size(); });
    }
  };

  one_order open(const job_order& what) {
    auto log = std::make_shared<listener_log>();
    order_listener listener = spawn(scripted_listener, log, dispatcher);
    tell(dispatcher, open_atom_v, what, listener);
    return {listener, log};
  }

  one_order open(const std::string& hash, std::uint32_t segments) { return open(make_order(hash, segments)); }

  /// Of `what`, these parts come first.
  one_order open(job_order what, std::vector<cell_part> first) {
    what.first = std::move(first);
    return open(what);
  }

  /// Asks for a look at an upload.
  auto look_at_upload() {
    analyze_task upload{{video_b, "/nowhere", 1}, {}};
    upload.source.state = media::arrival::arriving;
    return request(dispatcher, analyze_atom_v, upload);
  }

  std::vector<std::uint32_t> numbers_to(std::uint32_t count) {
    std::vector<std::uint32_t> all(count);
    std::iota(all.begin(), all.end(), 0U);
    return all;
  }

  static std::vector<std::uint32_t> sorted(std::vector<std::uint32_t> xs) {
    std::sort(xs.begin(), xs.end());
    return xs;
  }

  result<media::analysis> analyze(const std::string& hash) {
    auto asked = request(dispatcher, analyze_atom_v, analyze_task{{hash, "/nowhere", 1}, {}});
    advance(std::chrono::seconds(5));
    return asked.get<media::analysis>();
  }
};

} // namespace vp::test
