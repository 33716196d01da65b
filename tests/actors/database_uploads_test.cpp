#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

using namespace vp;
using namespace std::chrono_literals;
using test::hash_of;
using strings = std::vector<std::string>;

namespace {

upload_request request(std::uint64_t size = 25, std::uint32_t chunks = 3, std::uint64_t chunk_size = 0) {
  return {"A title", "words", "video/mp4", "", size, chunks, chunk_size};
}

} // namespace

TEST_CASE_METHOD(test::storage, "a video goes from its first chunk to the queue", "[database]") {
  auto opened = db->open_video(hash_of('a'), request(), false);
  REQUIRE(opened);
  CHECK(opened->status == video_status::uploading);
  CHECK(opened->title == "A title");
  CHECK(opened->created_at == "2023-11-14T22:13:20.000Z");
  CHECK(opened->received_chunks == 0);

  CHECK(db->add_chunk(hash_of('a'), 2, 0)->received_chunks == 1);
  auto second = db->add_chunk(hash_of('a'), 0, 10);
  REQUIRE(second);
  CHECK(second->received_chunks == 2);
  CHECK(second->chunk_size == 10);
  CHECK(*db->chunks(hash_of('a')) == std::vector<std::uint32_t>{0, 2});

  auto early = db->finalize(hash_of('a'));
  REQUIRE_FALSE(early);
  CHECK(early.error().code == errc::conflict);

  CHECK(db->add_chunk(hash_of('a'), 1, 10)->received_chunks == 3);
  CHECK(*db->chunks(hash_of('a')) == std::vector<std::uint32_t>{0, 1, 2});
  wall += 1s;
  auto video = db->finalize(hash_of('a'));
  REQUIRE(video);
  CHECK(video->status == video_status::queued);
  CHECK(video->updated_at == "2023-11-14T22:13:21.000Z");
  CHECK(jobs() == strings{hash_of('a')});
  CHECK(kinds() == strings{"created", "queued"});
  CHECK(db->take_growth());
  CHECK_FALSE(db->take_growth());
}

TEST_CASE_METHOD(test::storage, "one chunk is looked up, also when all are there", "[database]") {
  CHECK(db->get(hash_of('a'), 0).error().code == errc::not_found);
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  REQUIRE(db->add_chunk(hash_of('a'), 1, 10));
  CHECK_FALSE(db->get(hash_of('a'), 0)->second);
  CHECK(db->get(hash_of('a'), 1)->second);
  CHECK(db->get(hash_of('a'), 1)->first == *db->get(hash_of('a')));
  REQUIRE(db->add_chunk(hash_of('a'), 0, 10));
  REQUIRE(db->add_chunk(hash_of('a'), 2, 10));
  CHECK(db->get(hash_of('a'), 0)->second);
}

TEST_CASE_METHOD(test::storage, "a chunk size is settled once for each upload of a video", "[database]") {
  auto first = db->open_video(hash_of('a'), request(), false);
  CHECK(db->settle_chunk_size(hash_of('a'), first->id, 9) == 9U);
  CHECK(db->settle_chunk_size(hash_of('a'), first->id, 10) == 9U);
  REQUIRE(db->remove(hash_of('a')));
  CHECK(db->settle_chunk_size(hash_of('a'), first->id, 9).error().code == errc::not_found);
  auto second = db->open_video(hash_of('a'), request(), false);
  CHECK(db->settle_chunk_size(hash_of('a'), first->id, 9).error().code == errc::overloaded);
  CHECK(db->add_chunk(hash_of('a'), 0, 10, first->id).error().code == errc::overloaded);
  CHECK(db->add_chunk(hash_of('a'), 0, 10, second->id));
}

TEST_CASE_METHOD(test::storage, "whether the source is there is asked while nobody else can record a chunk",
                 "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  auto asked = false;
  auto lost = [&] {
    asked = true;
    SQLite::Database other{folder.database().string(), SQLite::OPEN_READWRITE};
    CHECK_THROWS_AS(other.exec("BEGIN IMMEDIATE"), SQLite::Exception);
    return false;
  };
  REQUIRE(db->open_video(hash_of('a'), request(), lost));
  CHECK(asked);
}

TEST_CASE_METHOD(test::storage, "the owner of a live claim can be reached", "[database]") {
  CHECK(db->owner_url(hash_of('a'))->empty());
  queued(hash_of('a'));
  CHECK(db->owner_url(hash_of('a'))->empty());
  auto job = db->claim_job(hash_of('a'), "p/1", "http://127.0.0.1:8001", 30s);
  REQUIRE(job);
  CHECK(*db->owner_url(hash_of('a')) == "http://127.0.0.1:8001");
  wall += 31s;
  CHECK(db->owner_url(hash_of('a'))->empty());
  REQUIRE(db->renew(job->claim, 30s));
  CHECK(*db->owner_url(hash_of('a')) == "http://127.0.0.1:8001");
  REQUIRE(db->release(job->claim));
  CHECK(db->owner_url(hash_of('a'))->empty());
}

TEST_CASE_METHOD(test::storage, "the same words again change nothing", "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  REQUIRE(db->open_video(hash_of('a'), request(), true));
  CHECK(db->list()->size() == 1);
  CHECK(db->add_chunk(hash_of('a'), 0, 10)->received_chunks == 1);
  CHECK(db->add_chunk(hash_of('a'), 0, 10)->received_chunks == 1);
  REQUIRE(db->add_chunk(hash_of('a'), 1, 10));
  REQUIRE(db->add_chunk(hash_of('a'), 2, 10));
  CHECK(db->add_chunk(hash_of('a'), 1, 10)->received_chunks == 3);
  REQUIRE(db->finalize(hash_of('a')));
  CHECK(db->finalize(hash_of('a'))->status == video_status::queued);
  CHECK(db->add_chunk(hash_of('a'), 1, 10)->received_chunks == 3);
  CHECK(db->open_video(hash_of('a'), request(), true)->status == video_status::queued);
  CHECK(jobs().size() == 1);
  CHECK(kinds() == strings{"created", "queued"});
}

TEST_CASE_METHOD(test::storage, "a chunk that can't belong to the upload is refused", "[database]") {
  CHECK(db->add_chunk(hash_of('a'), 0, 10).error().code == errc::not_found);
  REQUIRE(db->open_video(hash_of('a'), request(25, 3, 10), false));
  CHECK(db->add_chunk(hash_of('a'), 3, 10).error().code == errc::invalid_request);
  CHECK(db->add_chunk(hash_of('a'), 0, 11).error().code == errc::invalid_request);
  CHECK(db->open_video(hash_of('a'), request(25, 3, 11), true).error().code == errc::conflict);
  CHECK(db->get(hash_of('a'))->received_chunks == 0);
}

TEST_CASE_METHOD(test::storage, "chunk events are thinned, and the last one is always there", "[database]") {
  constexpr std::uint32_t chunks = 100;
  REQUIRE(db->open_video(hash_of('a'), request(1000, chunks, 10), false));
  for (std::uint32_t i = 0; i < chunks; ++i) {
    wall += 10ms;
    REQUIRE(db->add_chunk(hash_of('a'), i, 10));
  }
  auto all = kinds();
  CHECK(std::count(all.begin(), all.end(), "chunk") == 3); // the first, one half a second later, the last
  auto data = last_event_data();
  CHECK(data["received_chunks"] == chunks);
  CHECK(data["total_chunks"] == chunks);
  CHECK(data["kind"] == "chunk");
  CHECK(data["video_hash"] == hash_of('a'));
  CHECK(data["status"] == "uploading");
  CHECK(data["time"] == "2023-11-14T22:13:21.000Z");

  REQUIRE(db->finalize(hash_of('a')));
  CHECK(kinds() == strings{"created", "queued"});
}

TEST_CASE_METHOD(test::storage, "an upload whose source is gone starts from its first chunk", "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  REQUIRE(db->add_chunk(hash_of('a'), 0, 10));
  auto again = db->open_video(hash_of('a'), request(), false);
  REQUIRE(again);
  CHECK(again->received_chunks == 0);
  CHECK(again->chunk_size == 0);
  CHECK(db->chunks(hash_of('a'))->empty());
}

TEST_CASE("only so many uploads are open at the same time", "[database]") {
  test::storage s{2};
  REQUIRE(s.db->open_video(hash_of('a'), request(), false));
  s.queued(hash_of('b'));
  REQUIRE(s.db->open_video(hash_of('c'), request(), false));
  CHECK(s.db->open_video(hash_of('d'), request(), false).error().code == errc::overloaded);
  CHECK(s.db->open_video(hash_of('a'), request(), true));
  REQUIRE(s.db->remove(hash_of('a')));
  CHECK(s.db->open_video(hash_of('d'), request(), false));
}

TEST_CASE_METHOD(test::storage, "videos are listed from the newest to the oldest", "[database]") {
  for (auto digit : {'a', 'b', 'c'})
    upload(hash_of(digit));
  auto all = db->list();
  REQUIRE(all->size() == 3);
  CHECK(all->front().hash == hash_of('c'));
  CHECK(all->back().hash == hash_of('a'));
}

TEST_CASE_METHOD(test::storage, "a failed video is begun again by init, with the chunks that are there", "[database]") {
  queued(hash_of('a'));
  REQUIRE(db->fail_job(claimed(hash_of('a')), "why"));
  auto again = db->open_video(hash_of('a'), {"title", "", "video/mp4", "", 20, 2, 10}, true);
  REQUIRE(again);
  CHECK(again->status == video_status::uploading);
  CHECK(again->error.empty());
  CHECK(again->received_chunks == 2);
  CHECK(db->finalize(hash_of('a'))->status == video_status::queued);
}

TEST_CASE_METHOD(test::storage, "only a failed video is tried again", "[database]") {
  CHECK(db->retry(hash_of('a')).error().code == errc::not_found);
  queued(hash_of('a'));
  CHECK(db->retry(hash_of('a')).error().code == errc::conflict);
  REQUIRE(db->fail_job(claimed(hash_of('a')), "why"));
  auto video = db->retry(hash_of('a'));
  REQUIRE(video);
  CHECK(video->status == video_status::queued);
  CHECK(video->error.empty());
  CHECK(video->attempts == 0);
  CHECK(jobs() == strings{hash_of('a')});
}

TEST_CASE_METHOD(test::storage, "a removed video leaves its event and no work", "[database]") {
  queued(hash_of('a'));
  auto before = *db->last_event();
  REQUIRE(db->remove(hash_of('a')));
  CHECK(db->get(hash_of('a')).error().code == errc::not_found);
  CHECK(db->remove(hash_of('a')).error().code == errc::not_found);
  CHECK(jobs().empty());
  CHECK(kinds().back() == "deleted");
  CHECK(*db->last_event() > before);
}

TEST_CASE_METHOD(test::storage, "a row goes only together with its files", "[database]") {
  queued(hash_of('a'));
  auto before = *db->last_event();
  auto refuse = [](const std::string&) -> result<void> { return fail(errc::io_failed, "it stays"); };
  CHECK(db->remove(hash_of('a'), refuse).error() == error{errc::io_failed, "it stays"});
  CHECK(db->get(hash_of('a')));
  CHECK(*db->last_event() == before);

  // While they go nobody else can begin the video anew and find them.
  strings discarded;
  auto other = database::open(folder.database());
  REQUIRE(other);
  auto discard = [&](const std::string& hash) -> result<void> {
    discarded.push_back(hash);
    CHECK((*other)->get(hash));
    return {};
  };
  REQUIRE(db->remove(hash_of('a'), discard));
  CHECK(discarded == strings{hash_of('a')});
  CHECK((*other)->get(hash_of('a')).error().code == errc::not_found);
}

TEST_CASE_METHOD(test::storage, "uploads that nothing arrives for are forgotten", "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  queued(hash_of('b'));
  wall += 2h;
  REQUIRE(db->open_video(hash_of('c'), request(), false));
  CHECK(db->expire(3h)->empty());
  CHECK(*db->expire(1h) == strings{hash_of('a')});
  CHECK(db->get(hash_of('a')).error().code == errc::not_found);
  CHECK(db->get(hash_of('b')));
  CHECK(db->get(hash_of('c')));
}

TEST_CASE_METHOD(test::storage, "what is acknowledged is there after the process has ended", "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  REQUIRE(db->add_chunk(hash_of('a'), 1, 10));
  auto before = *db->get(hash_of('a'));
  reopen();
  CHECK(*db->get(hash_of('a')) == before);
  CHECK(*db->chunks(hash_of('a')) == std::vector<std::uint32_t>{1});
}

TEST_CASE("a database of a newer program, and a file that is none, are refused in words", "[database]") {
  test::temporary_folder where;
  auto newer = where.path() / "newer.db";
  {
    SQLite::Database raw{newer.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    raw.exec("PRAGMA user_version = 1000");
  }
  auto opened = database::open(newer);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().text.find("newer") != std::string::npos);

  auto none = where.path() / "none.db";
  REQUIRE(write_file_atomically(none, std::string(10'000, 'x'), durable::later));
  opened = database::open(none);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == errc::io_failed);

  CHECK_FALSE(database::open(where.path() / "missing" / "file.db"));
}

TEST_CASE_METHOD(test::storage, "another process that holds the database for too long is an error, not a hang",
                 "[database]") {
  REQUIRE(db->open_video(hash_of('a'), request(), false));
  SQLite::Database other{folder.database().string(), SQLite::OPEN_READWRITE};
  {
    SQLite::Transaction held{other, SQLite::TransactionBehavior::IMMEDIATE};
    auto refused = db->add_chunk(hash_of('a'), 0, 10);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == errc::overloaded);
  }
  CHECK(db->add_chunk(hash_of('a'), 0, 10)->received_chunks == 1);
}

TEST_CASE_METHOD(test::storage, "words that are no UTF-8 do no harm", "[database]") {
  auto odd = request();
  odd.title = "\xff\xfe";
  REQUIRE(db->open_video(hash_of('a'), odd, false));
  CHECK(last_event_data()["title"].is_string());
}
