#pragma once

#include "actors/catalog.hpp"
#include "actors/database.hpp"
#include "tests/actors/fixture.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>

namespace vp::test {

using namespace std::chrono_literals;

/// A real database in a folder of its own, under a clock that only the test moves.
struct storage {
  temporary_folder where;
  data_folder folder{where.path()};
  std::chrono::system_clock::time_point wall{std::chrono::seconds{1'700'000'000}};
  std::shared_ptr<database> db;

  explicit storage(std::uint32_t max_open_uploads = 100) {
    REQUIRE(make_folder(folder.uploads()));
    database_options options;
    options.max_open_uploads = max_open_uploads;
    options.now = [this] { return wall; };
    auto opened = database::open(folder.database(), options);
    if (!opened)
      FAIL(opened.error().text);
    db = std::move(*opened);
  }

  /// Closes the database and opens it again, as another process would.
  void reopen() {
    db.reset();
    database_options options;
    options.now = [this] { return wall; };
    auto opened = database::open(folder.database(), options);
    REQUIRE(opened);
    db = std::move(*opened);
  }

  video upload(const std::string& hash, std::uint32_t chunks = 2) {
    upload_request request{"title", "", "video/mp4", "", chunks * std::uint64_t{10}, chunks, 10};
    REQUIRE(db->open_video(hash, request, false));
    for (std::uint32_t i = 0; i < chunks; ++i)
      REQUIRE(db->add_chunk(hash, i, 10));
    return *db->get(hash);
  }

  video queued(const std::string& hash) {
    upload(hash);
    auto video = db->finalize(hash);
    REQUIRE(video);
    return *video;
  }

  claim claimed(const std::string& hash, const std::string& owner = "me") {
    auto job = db->claim_job(hash, owner, "", 30s);
    REQUIRE(job);
    return job->claim;
  }

  std::vector<std::string> kinds(const std::string& hash = {}) {
    std::vector<std::string> all;
    auto events = db->events(0, hash, 1000);
    REQUIRE(events);
    for (auto& one : *events)
      all.push_back(one.kind);
    return all;
  }

  nlohmann::json last_event_data() {
    auto events = db->events(0, "", 1000);
    REQUIRE(events);
    REQUIRE_FALSE(events->empty());
    return nlohmann::json::parse(events->back().data);
  }

  std::vector<std::string> jobs(std::uint32_t limit = 100) {
    std::vector<std::string> hashes;
    auto due = db->due_jobs(limit);
    REQUIRE(due);
    for (auto& one : *due)
      hashes.push_back(one.video_hash);
    return hashes;
  }
};

/// The same behind a catalog, in a system in which time is the test's: both clocks move together.
struct storage_fixture : actor_fixture, storage {
  catalog_actor catalog = spawn(vp::catalog, catalog_config{db, folder});

  void pass(caf::timespan by, caf::timespan step = 100ms) {
    for (; by > caf::timespan::zero(); by -= std::min(by, step)) {
      wall += std::chrono::duration_cast<std::chrono::system_clock::duration>(std::min(by, step));
      advance(std::min(by, step), step);
    }
  }
};

inline std::string content(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline bytes to_bytes(std::string_view text) {
  return bytes{bytes::buffer{text.begin(), text.end()}};
}

} // namespace vp::test
