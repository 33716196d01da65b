#include "actors/recover.hpp"
#include "media/manifest.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;
namespace fs = std::filesystem;

namespace {

const std::string a = hash_of('a');
const std::string b = hash_of('b');

struct recovery_fixture : test::storage {
  void write(const fs::path& path, std::string_view text = "x") {
    REQUIRE(make_folder(path.parent_path()));
    REQUIRE(write_file_atomically(path, text, durable::later));
  }

  void write_source(const std::string& hash) { write(folder.source(hash), std::string(20, 's')); }

  recovery restart(const recover_options& options = {}) {
    reopen();
    auto found = recover(*db, folder, options);
    REQUIRE(found);
    return *found;
  }

  void completed(const std::string& hash) {
    queued(hash);
    write_source(hash);
    auto mine = claimed(hash);
    REQUIRE(db->store_plan(mine, test::make_analysis(1)));
    std::vector<stored_fragment> fragments;
    for (auto* id : {"720p-0000cafe", "audio-0000cafe"}) {
      fragments.push_back({id, 0, 0, 100, 5});
      write(folder.media(hash, id) / media::init_name());
      write(folder.media(hash, id) / media::fragment_name(0), "12345");
    }
    for (auto* name : {"playlist.m3u8", "720p.m3u8", "audio.m3u8"})
      write(folder.hls(hash) / name);
    fragments.push_back({std::string{media::poster_id}, 0, 0, 0, 5});
    write(folder.poster(hash));
    write(folder.dash(hash) / "manifest.mpd");
    REQUIRE(db->store_fragments(mine, fragments));
    REQUIRE(db->complete(mine));
    auto due = *db->due_jobs(10);
    for (auto& one : due)
      REQUIRE(db->ack(one.id));
  }

  video_status status(const std::string& hash) { return db->get(hash)->status; }
};

} // namespace

TEST_CASE_METHOD(recovery_fixture, "after a clean end there is nothing to put right", "[recover]") {
  completed(a);
  upload(b);
  write_source(b);
  auto found = restart();
  CHECK(found.requeued + found.failed + found.restarted + found.enqueued + found.removed == 0);
  CHECK(status(a) == video_status::completed);
  CHECK(db->get(b)->received_chunks == 2);
}

TEST_CASE_METHOD(recovery_fixture, "what was being worked on when the process was killed is enqueued, at once",
                 "[recover]") {
  queued(a);
  write_source(a);
  claimed(a, "killed");
  auto due = *db->due_jobs(10);
  REQUIRE(db->ack(due.front().id));
  CHECK(restart().enqueued == 1);
  CHECK(status(a) == video_status::processing);
  CHECK(jobs() == strings{a});
  CHECK(db->claim_job(a, "new", "", 30s));
  CHECK(db->get(a)->attempts == 2);
}

TEST_CASE_METHOD(recovery_fixture, "claims of others stay where the folder is shared", "[recover]") {
  queued(a);
  write_source(a);
  claimed(a, "other");
  restart({.exclusive = false});
  CHECK(db->claim_job(a, "new", "", 30s).error().code == errc::conflict);
}

TEST_CASE_METHOD(recovery_fixture, "a completed video that misses a file is made again", "[recover]") {
  completed(a);
  auto fragment = folder.media(a, "720p-0000cafe") / media::fragment_name(0);
  SECTION("a fragment is gone") {
    fs::remove(fragment);
  }
  SECTION("a fragment has another size") {
    write(fragment, "1234");
  }
  SECTION("an init segment is gone") {
    fs::remove(folder.media(a, "audio-0000cafe") / media::init_name());
  }
  SECTION("a manifest is gone") {
    fs::remove(folder.dash(a) / "manifest.mpd");
  }
  SECTION("a media playlist is gone") {
    fs::remove(folder.hls(a) / "720p.m3u8");
  }
  SECTION("the poster is gone") {
    fs::remove(folder.poster(a));
  }
  CHECK(restart().requeued == 1);
  CHECK(status(a) == video_status::queued);
  CHECK(jobs() == strings{a});
  CHECK(kinds().back() == "queued");
  CHECK_FALSE(db->claim_job(a, "me", "", 30s)->planned); // The analysis makes what is missing.
}

TEST_CASE_METHOD(recovery_fixture, "a video whose source is gone as well fails, and can be uploaded again",
                 "[recover]") {
  completed(a);
  fs::remove_all(folder.video(a));
  queued(b);
  auto found = restart();
  CHECK(found.failed == 2);
  CHECK(found.enqueued == 0);
  for (auto& hash : {a, b}) {
    CHECK(status(hash) == video_status::failed);
    CHECK_FALSE(db->get(hash)->error.empty());
    CHECK(db->retry(hash).error().code == errc::conflict);
    auto again = db->open_video(hash, {"title", "", "", "", 20, 2, 10}, false);
    REQUIRE(again);
    CHECK(again->received_chunks == 0);
  }
}

TEST_CASE_METHOD(recovery_fixture, "a completed video needs no source", "[recover]") {
  completed(a);
  fs::remove(folder.source(a));
  restart();
  CHECK(status(a) == video_status::completed);
}

TEST_CASE_METHOD(recovery_fixture, "an open upload whose source is gone or cut starts over", "[recover]") {
  upload(a);
  upload(b);
  write(folder.source(b), "short");
  CHECK(restart().restarted == 2);
  CHECK(db->get(a)->received_chunks == 0);
  CHECK(db->chunks(b)->empty());
}

TEST_CASE_METHOD(recovery_fixture, "after the machine went down an open upload starts over, the others don't",
                 "[recover]") {
  completed(a);
  upload(b);
  write_source(b);
  CHECK(restart({.machine_restarted = true}).restarted == 1);
  CHECK(db->chunks(b)->empty());
  CHECK(status(a) == video_status::completed);
}

TEST_CASE_METHOD(recovery_fixture, "litter goes, and only with the lock held alone", "[recover]") {
  completed(a);
  write(folder.source(b));                                               // no row
  write(fs::path{folder.video(a).string() + ".7-1.removed"} / "source"); // a removal that was cut short
  write(folder.media(a, "720p-0000cafe") / "1.m4s.7-1.tmp");
  write(folder.uploads() / "README");
  CHECK(restart({.exclusive = false}).removed == 0);
  CHECK(restart().removed == 3);
  CHECK(fs::exists(folder.uploads() / "README"));
  CHECK(fs::exists(folder.source(a)));
  CHECK_FALSE(fs::exists(folder.video(b)));
  CHECK(restart().removed == 0);
  CHECK(status(a) == video_status::completed);
}
