#pragma once

#include "actors/catalog.hpp"
#include "actors/dispatcher.hpp"
#include "actors/segmenter.hpp"
#include "actors/transcode_job.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vp::test {

inline const auto hash = hash_of('a');
inline const auto pass = fate{fate::kind::pass, {}};
inline const auto swallow = fate{fate::kind::swallow, {}};

inline fate refuse(errc code) {
  return {fate::kind::refuse, {code, "refused"}};
}

/// The real catalog, dispatcher and segmenter around a job, with faults between them; only encoders are scripted.
struct job_fixture : actor_fixture {
  temporary_folder where;
  data_folder folder{where.path()};
  std::shared_ptr<database> db;
  catalog_actor catalog;
  dispatcher_actor dispatcher;
  std::shared_ptr<encoder_script> encoder = std::make_shared<encoder_script>();

  std::shared_ptr<interference> to_catalog = std::make_shared<interference>();
  std::shared_ptr<interference> to_segmenter = std::make_shared<interference>();

  transcode_job_config config;
  transcode_job_actor job;
  segmenter_actor segmenter;
  std::vector<job_outcome> outcomes;

  job_fixture() {
    database_options options;
    options.now = [this] {
      auto simulated = sched.clock().now().time_since_epoch();
      return std::chrono::system_clock::time_point{
          std::chrono::hours(500'000) + std::chrono::duration_cast<std::chrono::system_clock::duration>(simulated)};
    };
    std::filesystem::create_directories(folder.uploads());
    auto opened = database::open(folder.database(), options);
    REQUIRE(opened);
    db = std::move(*opened);
    catalog = spawn(vp::catalog, catalog_config{db, folder});
    dispatcher = spawn(vp::dispatcher, dispatcher_config{});
    tell(dispatcher, register_atom_v, encoder_actor{spawn(scripted_encoder, encoder)}, encoder_info{"node", 1, "run"});
    encoder->analysis = [](const analyze_task&) { return make_analysis(6); };
    config.video_hash = hash;
    config.source_path = folder.source(hash).string();
    config.owner = "us/0";
    upload();
  }

  void upload() {
    auto opened = ask<video>(catalog, open_atom_v, hash, upload_request{"film", "", "video/mp4", "", 1000, 1, 1000});
    REQUIRE(opened);
    REQUIRE(ask<video>(catalog, chunk_atom_v, hash, opened->id, 0U, std::uint64_t{1000}));
    REQUIRE(ask<video>(catalog, finalize_atom_v, hash));
  }

  void start() {
    auto listener = spawn([this](finish_listener::pointer) -> finish_listener::behavior_type {
      return {[this](finish_atom, const job_outcome& outcome) { outcomes.push_back(outcome); }};
    });
    segmenter = spawn(vp::segmenter, folder, config.video_hash);
    auto before = [this](auto typed, auto policy, bool as_one) {
      return caf::actor_cast<decltype(typed)>(spawn(tap, caf::actor_cast<caf::actor>(typed), policy, as_one));
    };
    job = spawn(transcode_job, config, before(catalog, to_catalog, false), dispatcher,
                before(segmenter, to_segmenter, true), listener);
    run();
  }

  video look() { return *ask<video>(catalog, get_atom_v, config.video_hash); }

  std::vector<event> events(const std::string& kind) {
    std::vector<event> all;
    const auto found = ask<std::vector<event>>(catalog, events_atom_v, std::uint64_t{0}, hash, 1000U);
    for (auto& x : *found)
      if (x.kind == kind)
        all.push_back(x);
    return all;
  }

  /// As it was published: the outbox forgets it when the video is done.
  std::vector<progress> published;
  std::vector<caf::actor_clock::time_point> published_at;

  void watch_progress() {
    *to_catalog = [this](const caf::message& what) {
      if (begins_with(what, progress_atom_v)) {
        published.push_back(what.get_as<progress>(2));
        published_at.push_back(sched.clock().now());
      }
      return pass;
    };
  }

  template <class Handle>
  bool alive(const Handle& whom) {
    return !caf::actor_cast<caf::abstract_actor*>(whom)->getf(caf::abstract_actor::is_terminated_flag);
  }

  job_end only_end() {
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].video_hash == config.video_hash);
    CHECK_FALSE(alive(job));
    return outcomes[0].end;
  }

  /// Refuses or swallows the first `count` messages that begin with `atom`, or all (-1).
  template <class Atom>
  static interference first(int count, const Atom& atom, fate what) {
    return [left = std::make_shared<int>(count), atom, what](const caf::message& x) {
      if (!begins_with(x, atom) || *left == 0)
        return pass;
      --*left;
      return what;
    };
  }

  std::set<std::uint32_t> encoded() const {
    std::set<std::uint32_t> all;
    for (auto& x : encoder->segments)
      all.insert(x.second);
    return all;
  }
};

inline constexpr std::uint64_t piece = 1U << 20U;

/// A job whose source is still being uploaded: the film's 6 segments need a MiB each.
struct arriving_fixture : job_fixture {
  std::shared_ptr<session_log> session = std::make_shared<session_log>();

  arriving_fixture() {
    config.video_hash = hash_of('b');
    config.source_path = folder.source(config.video_hash).string();
    config.upload = spawn(scripted_session, session);
    REQUIRE(ask<video>(catalog, open_atom_v, config.video_hash,
                       upload_request{"film", "", "video/mp4", "", 8 * piece, 8, piece}));
    encoder->analysis = [](const analyze_task&) {
      auto found = make_analysis(6);
      for (auto& cell : found.segments)
        cell.video_bytes = cell.audio_bytes = {cell.number * piece, (cell.number + 1) * piece};
      return found;
    };
  }

  void begin_and_analyze() {
    start();
    advance(std::chrono::seconds(2));
    REQUIRE(look().progress.segments_total == 6);
  }

  void arrives(std::uint64_t until) { tell(job, arrive_atom_v, arrival{{{0, until}}, false, false, {}, 1}); }

  auto wish(std::uint32_t segment, const std::string& viewer) {
    return ask<std::uint64_t>(job, wish_atom_v, fragment_wish{config.video_hash, "360p-0000cafe", segment, viewer});
  }
};

} // namespace vp::test
