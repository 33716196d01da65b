#include "actors/session_manager.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

#include <set>

using namespace vp;
using namespace std::chrono_literals;
using test::to_bytes;

namespace {

/// Answers a cancellation as the test says.
struct jobs_script {
  std::vector<std::string> cancelled;
  std::vector<std::string> previews;
  std::optional<error> fault;
};

job_manager_actor::behavior_type scripted_jobs(job_manager_actor::pointer, std::shared_ptr<jobs_script> script) {
  return {
      [](deliver_atom, const job&) {},
      [](finish_atom, const job_outcome&) {},
      [script](cancel_atom, const std::string& hash) -> caf::result<void> {
        script->cancelled.push_back(hash);
        if (script->fault)
          return to_caf(*script->fault);
        return caf::unit;
      },
      [](drain_atom) -> caf::result<void> { return caf::unit; },
      [script](preview_atom, const std::string& hash, const upload_session_actor&) {
        script->previews.push_back(hash);
      },
      [](wish_atom, const fragment_wish&) -> caf::result<std::uint64_t> { return to_caf(errc::conflict, "no"); },
      [](await_atom, const std::string&, std::uint64_t) -> caf::result<void> { return caf::unit; },
      [](abort_atom, const std::string&, std::uint64_t) {},
  };
}

struct manager_fixture : test::storage_fixture {
  std::shared_ptr<test::interference> policy = std::make_shared<test::interference>();
  std::shared_ptr<jobs_script> script = std::make_shared<jobs_script>();
  session_manager_config config;
  session_manager_actor manager;

  manager_fixture() {
    config.catalog =
        caf::actor_cast<catalog_actor>(spawn(test::tap, caf::actor_cast<caf::actor>(catalog), policy, false));
    config.jobs = spawn(scripted_jobs, script);
    config.folder = folder;
    config.headroom = 0;
    config.detached = false;
    restart();
  }

  void restart() { manager = spawn(session_manager, config); }

  static upload_request a_request() { return {"title", "", "video/mp4", "", 25, 3, 0}; }

  result<upload_state> init(const upload_request& what = a_request()) {
    return ask<upload_state>(manager, init_atom_v, what);
  }
  result<upload_session_actor> session(const std::string& hash) {
    return ask<upload_session_actor>(manager, session_atom_v, hash);
  }
  result<void> remove(const std::string& hash) { return ask<void>(manager, remove_atom_v, hash); }

  void put(const std::string& hash, std::uint32_t index, std::string_view data) {
    auto to = session(hash);
    REQUIRE(to);
    auto ticket = ask<chunk_ticket>(*to, begin_atom_v, index, std::uint64_t{data.size()});
    REQUIRE(ticket);
    REQUIRE(ask<void>(*to, write_atom_v, ticket->id, to_bytes(data)));
    REQUIRE(ask<chunk_receipt>(*to, end_atom_v, ticket->id));
  }

  std::string whole() {
    auto hash = init()->video.hash;
    put(hash, 0, "0123456789");
    put(hash, 1, "0123456789");
    put(hash, 2, "01234");
    return hash;
  }

  std::size_t entries() const {
    std::filesystem::directory_iterator each{folder.uploads()};
    return static_cast<std::size_t>(std::distance(each, {}));
  }
};

} // namespace

TEST_CASE("a request is checked before anything is made of it", "[session_manager]") {
  upload_limits limits;
  limits.max_file_size = 1000;
  limits.max_chunk_size = 100;
  limits.max_chunks = 50;
  auto code = [&](upload_request x) {
    auto checked = check(x, limits);
    return checked ? errc::none : checked.error().code;
  };
  const upload_request good{"title", "", "", "", 1000, 10, 100};
  CHECK(code(good) == errc::none);
  auto with = [&](auto change) {
    auto x = good;
    change(x);
    return code(x);
  };
  CHECK(with([](auto& x) { x.chunk_size = 0; }) == errc::none);
  CHECK(with([](auto& x) { x.title = ""; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.title = " \t\n"; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.title = "a\x1b[2J"; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.title = "a\nb"; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.title = "a\x7f"; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.title = "Žluťoučký kůň 馬"; }) == errc::none);
  CHECK(with([](auto& x) { x.title = std::string(501, 'x'); }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.description = std::string(5001, 'x'); }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.fingerprint = std::string(257, 'x'); }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.mime_type = std::string(256, 'x'); }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.file_size = 0; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.file_size = 1001; }) == errc::too_large);
  CHECK(with([](auto& x) { x.total_chunks = 0; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.total_chunks = 51; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.total_chunks = 9, x.chunk_size = 0; }) == errc::too_large);
  CHECK(with([](auto& x) { x.total_chunks = 4, x.file_size = 5, x.chunk_size = 0; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.chunk_size = 99; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.chunk_size = 112; }) == errc::invalid_request);
  CHECK(with([](auto& x) { x.chunk_size = 111; }) == errc::too_large);
  // Of a file in one piece the chunk size may be anything from its size up.
  CHECK(with([](auto& x) { x.total_chunks = 1, x.file_size = 7, x.chunk_size = 1'000'000; }) == errc::none);
  CHECK(with([](auto& x) { x.total_chunks = 1, x.file_size = 7, x.chunk_size = 6; }) == errc::invalid_request);
}

TEST_CASE("a hash stands for title, size, chunk count and fingerprint", "[session_manager]") {
  const upload_request one{"title", "", "", "print", 1000, 10, 100};
  CHECK(is_video_hash(video_hash(one)));
  std::set<std::string> hashes{video_hash(one)};
  auto with = [&](auto change) {
    auto x = one;
    change(x);
    hashes.insert(video_hash(x));
    return hashes.size();
  };
  CHECK(with([](auto& x) { x.description = "words"; }) == 1);
  CHECK(with([](auto& x) { x.mime_type = "video/mp4"; }) == 1);
  CHECK(with([](auto& x) { x.chunk_size = 0; }) == 1);
  CHECK(with([](auto& x) { x.title = "title "; }) == 2);
  CHECK(with([](auto& x) { x.file_size = 1001; }) == 3);
  CHECK(with([](auto& x) { x.total_chunks = 11; }) == 4);
  CHECK(with([](auto& x) { x.fingerprint = "other"; }) == 5);
  // Fields don't run into each other.
  CHECK(with([](auto& x) { x.file_size = 10001, x.total_chunks = 0; }) == 6);
}

TEST_CASE_METHOD(manager_fixture, "init begins an upload, and again resumes it", "[session_manager]") {
  auto begun = init();
  REQUIRE(begun);
  auto hash = begun->video.hash;
  CHECK(hash == video_hash(a_request()));
  CHECK(begun->resumable);
  CHECK(begun->uploaded_chunks.empty());
  CHECK(std::filesystem::file_size(folder.source(hash)) == 25);

  put(hash, 1, "0123456789");
  auto again = init();
  REQUIRE(again);
  CHECK(again->video.hash == hash);
  CHECK(again->video.chunk_size == 10);
  CHECK(again->resumable);
  CHECK(again->uploaded_chunks == std::vector<std::uint32_t>{1});
}

TEST_CASE_METHOD(manager_fixture, "two that begin the same upload at once share it", "[session_manager]") {
  auto first = request(manager, init_atom_v, a_request());
  auto second = request(manager, init_atom_v, a_request());
  auto x = first.get<upload_state>();
  auto y = second.get<upload_state>();
  REQUIRE(x);
  REQUIRE(y);
  CHECK(x->video.hash == y->video.hash);
  CHECK(db->list()->size() == 1);

  auto one = request(manager, session_atom_v, x->video.hash);
  auto other = request(manager, session_atom_v, x->video.hash);
  CHECK(*one.get<upload_session_actor>() == *other.get<upload_session_actor>());
}

TEST_CASE_METHOD(manager_fixture, "a whole upload takes no more", "[session_manager]") {
  auto hash = whole();
  CHECK(init()->resumable); // it still has to be finalized
  REQUIRE(ask<video>(*session(hash), finalize_atom_v));
  auto again = init();
  REQUIRE(again);
  CHECK_FALSE(again->resumable);
  CHECK(again->video.status == video_status::queued);
  CHECK(again->uploaded_chunks.size() == 3);
}

TEST_CASE_METHOD(manager_fixture, "an upload without a video, or whose source is gone", "[session_manager]") {
  CHECK(session(test::hash_of('f')).error().code == errc::not_found);
  CHECK(session("../../etc").error().code == errc::not_found);
  CHECK(remove("../../etc").error().code == errc::not_found);
  auto hash = init()->video.hash;
  put(hash, 0, "0123456789");
  std::filesystem::remove_all(folder.video(hash));
  auto again = init();
  REQUIRE(again);
  CHECK(again->uploaded_chunks.empty());
  put(hash, 0, "0123456789"); // in a session that writes to the new file
  CHECK(test::content(folder.source(hash)).substr(0, 10) == "0123456789");
}

TEST_CASE_METHOD(manager_fixture, "an upload that another process deleted and began anew has a session of its own",
                 "[session_manager]") {
  auto hash = init()->video.hash;
  put(hash, 0, "0123456789");
  REQUIRE(db->remove(hash, [&](const std::string&) { return move_to_trash(folder, hash); }));
  CHECK(session(hash).error().code == errc::not_found);
  auto anew = db->open_video(hash, a_request(), false);
  REQUIRE(anew);
  REQUIRE(prepare_source(folder, hash, 25));
  auto now = session(hash);
  REQUIRE(now);
  CHECK(ask<std::vector<std::uint32_t>>(*now, missing_atom_v)->size() == 3);
  put(hash, 0, "0123456789");
  CHECK(test::content(folder.source(hash)).substr(0, 10) == "0123456789");
}

TEST_CASE_METHOD(manager_fixture, "an upload that has no file yet gets one with its first chunk", "[session_manager]") {
  auto hash = video_hash(a_request());
  REQUIRE(db->open_video(hash, a_request(), false));
  put(hash, 0, "0123456789");
  CHECK(std::filesystem::file_size(folder.source(hash)) == 25);
}

TEST_CASE_METHOD(manager_fixture, "no room on the disk is said at the beginning", "[session_manager]") {
  config.headroom = std::uint64_t{1} << 62;
  restart();
  auto refused = init();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::disk_full);
  CHECK(db->list()->empty());
}

TEST_CASE_METHOD(manager_fixture, "what the catalog says is passed on, and silence is a time-out",
                 "[session_manager]") {
  *policy = [](const caf::message&) { return test::fate{test::fate::kind::refuse, {errc::overloaded, "too many"}}; };
  CHECK(init().error() == error{errc::overloaded, "too many"});
  CHECK(session(test::hash_of('a')).error() == error{errc::overloaded, "too many"});
  CHECK(remove(test::hash_of('a')).error() == error{errc::overloaded, "too many"});

  *policy = [](const caf::message&) { return test::fate{test::fate::kind::swallow, {}}; };
  auto asked = request(manager, init_atom_v, a_request());
  pass(15s, 1s);
  CHECK(asked.get<upload_state>().error().code == errc::timed_out);
  auto wanted = request(manager, session_atom_v, test::hash_of('a'));
  pass(15s, 1s);
  CHECK(wanted.get<upload_session_actor>().error().code == errc::timed_out);

  *policy = nullptr;
  CHECK(init());
}

TEST_CASE_METHOD(manager_fixture, "sessions end when idle and begin again when wanted", "[session_manager]") {
  auto hash = init()->video.hash;
  auto first = session(hash);
  REQUIRE(first);
  CHECK(*session(hash) == *first);
  pass(15s, 1s);
  auto second = session(hash);
  REQUIRE(second);
  CHECK_FALSE(*second == *first);
}

TEST_CASE_METHOD(manager_fixture, "only so many sessions live at the same time", "[session_manager]") {
  config.max_sessions = 2;
  restart();
  std::vector<std::string> hashes;
  for (auto* title : {"1", "2", "3"}) {
    auto what = a_request();
    what.title = title;
    hashes.push_back(init(what)->video.hash);
  }
  REQUIRE(session(hashes[0]));
  REQUIRE(session(hashes[1]));
  CHECK(session(hashes[2]).error().code == errc::overloaded);
  CHECK(session(hashes[0]));
  pass(15s, 1s);
  CHECK(session(hashes[2]));
}

TEST_CASE_METHOD(manager_fixture, "a video is deleted with its session, its job, its row and its files",
                 "[session_manager]") {
  auto hash = whole();
  REQUIRE(ask<video>(*session(hash), finalize_atom_v));
  auto live = *session(hash);
  REQUIRE(remove(hash));
  CHECK(script->cancelled == std::vector{hash});
  CHECK(db->get(hash).error().code == errc::not_found);
  CHECK(entries() == 0);
  CHECK_FALSE(ask<std::vector<std::uint32_t>>(live, missing_atom_v));
  CHECK(remove(hash).error().code == errc::not_found);
  CHECK(init()->uploaded_chunks.empty());
}

TEST_CASE_METHOD(manager_fixture, "two deletions at once both succeed", "[session_manager]") {
  auto hash = whole();
  auto first = request(manager, remove_atom_v, hash);
  auto second = request(manager, remove_atom_v, hash);
  CHECK(first.get<void>());
  CHECK(second.get<void>());
  CHECK(script->cancelled.size() == 1);
}

TEST_CASE_METHOD(manager_fixture, "a video whose job doesn't end stays", "[session_manager]") {
  auto hash = whole();
  script->fault = error{errc::timed_out, "it doesn't end"};
  CHECK(remove(hash).error().code == errc::timed_out);
  CHECK(db->get(hash));
  CHECK(std::filesystem::exists(folder.source(hash)));
  script->fault.reset();
  CHECK(remove(hash));
}

TEST_CASE_METHOD(manager_fixture, "a video that is being deleted can't be begun", "[session_manager]") {
  auto hash = whole();
  *policy = [](const caf::message& message) {
    return test::begins_with(message, remove_atom_v) ? test::fate{test::fate::kind::swallow, {}} : test::fate{};
  };
  auto removal = request(manager, remove_atom_v, hash);
  run();
  auto during = init();
  CHECK(during.error().code == errc::conflict);
  CHECK(session(hash).error().code == errc::not_found);
  pass(15s, 1s);
  CHECK(removal.get<void>().error().code == errc::timed_out);
  CHECK(init());
}

TEST_CASE_METHOD(manager_fixture, "abandoned uploads are forgotten, with their files", "[session_manager]") {
  config.upload_expiry = 1h;
  restart();
  auto old = whole();
  pass(45min, 1min);
  auto what = a_request();
  what.title = "newer";
  auto newer = init(what)->video.hash;
  CHECK(db->get(old));
  pass(26min, 1min);
  CHECK(db->get(old).error().code == errc::not_found);
  CHECK_FALSE(std::filesystem::exists(folder.video(old)));
  CHECK(db->get(newer));
  CHECK(entries() == 1);
}

TEST_CASE_METHOD(manager_fixture, "sessions end with their manager", "[session_manager]") {
  auto live = session(init()->video.hash);
  REQUIRE(live);
  self->send_exit(manager, caf::exit_reason::user_shutdown);
  run();
  CHECK(ask<std::vector<std::uint32_t>>(*live, missing_atom_v).error().code == errc::overloaded);
}

TEST_CASE_METHOD(manager_fixture, "a video can be deleted where there is no room to write that down",
                 "[session_manager]") {
  auto hash = whole();
  *policy = [this](const caf::message& message) {
    auto full = test::begins_with(message, remove_atom_v) && entries() > 0;
    return full ? test::fate{test::fate::kind::refuse, {errc::disk_full, "no space"}} : test::fate{};
  };
  REQUIRE(remove(hash));
  CHECK(entries() == 0);
  CHECK(db->get(hash).error().code == errc::not_found);
}

TEST_CASE_METHOD(manager_fixture, "a disk that stays full is said", "[session_manager]") {
  auto hash = whole();
  *policy = [](const caf::message& message) {
    return test::begins_with(message, remove_atom_v)
               ? test::fate{test::fate::kind::refuse, {errc::disk_full, "no space"}}
               : test::fate{};
  };
  CHECK(remove(hash).error().code == errc::disk_full);
}

TEST_CASE_METHOD(manager_fixture, "a job may begin when the head of a file that grows is there", "[session_manager]") {
  constexpr std::uint64_t chunk = 256 << 10U;
  const auto is_matroska = GENERATE(true, false);
  const auto hash = init({"film", "", "", "", 12 * chunk, 12, chunk})->video.hash;
  const std::string zeros(chunk, '\0');
  auto first = zeros;
  if (is_matroska)
    first.replace(0, 4, "\x1a\x45\xdf\xa3");
  for (const auto index : {1U, 2U, 3U, 11U})
    put(hash, index, zeros);
  CHECK(script->previews.empty());
  put(hash, 0, first);
  CHECK(script->previews.size() == (is_matroska ? 1 : 0));
  put(hash, 5, zeros);
  CHECK(script->previews.size() == (is_matroska ? 2 : 0)); // said again until somebody begins
}
