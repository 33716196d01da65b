#include "actors/upload_session.hpp"
#include "tests/actors/scripted.hpp"
#include "tests/actors/storage_fixture.hpp"

using namespace vp;
using namespace std::chrono_literals;
using test::content;
using test::hash_of;
using test::to_bytes;

namespace {

const std::string a = hash_of('a');

/// What one of two processes has of an upload: a connection to the database, a catalog with a tap before it, a session.
struct process {
  test::storage_fixture& world;
  std::shared_ptr<database> db;
  std::shared_ptr<test::interference> policy = std::make_shared<test::interference>();
  catalog_actor catalog;
  upload_session_actor session;

  explicit process(test::storage_fixture& where) : world(where) {
    database_options options;
    options.now = [this] { return world.wall; };
    auto opened = database::open(world.folder.database(), options);
    REQUIRE(opened);
    db = std::move(*opened);
    auto own = world.spawn(vp::catalog, catalog_config{db, world.folder});
    catalog = caf::actor_cast<catalog_actor>(world.spawn(test::tap, caf::actor_cast<caf::actor>(own), policy, false));
  }

  /// As the session manager does it.
  void start() { start(*db->get(a)); }

  void start(const video& known) {
    upload_session_config config;
    config.catalog = catalog;
    config.folder = world.folder;
    config.video = known;
    config.chunks = *db->chunks(a);
    config.shared = true;
    session = world.spawn(upload_session, config);
    world.run();
  }

  auto beginning(std::uint32_t index) { return world.request(session, begin_atom_v, index, std::uint64_t{0}); }
  auto ending(std::uint64_t ticket) { return world.request(session, end_atom_v, ticket); }
  result<chunk_ticket> begin(std::uint32_t index) { return beginning(index).get<chunk_ticket>(); }
  result<chunk_receipt> end(std::uint64_t ticket) { return ending(ticket).get<chunk_receipt>(); }
  result<void> write(std::uint64_t ticket, std::string_view data) {
    return world.ask<void>(session, write_atom_v, ticket, to_bytes(data));
  }
  result<chunk_receipt> put(std::uint32_t index, std::string_view data) {
    auto ticket = begin(index);
    if (!ticket)
      return tl::unexpected(ticket.error());
    if (auto written = write(ticket->id, data); !written)
      return tl::unexpected(written.error());
    return end(ticket->id);
  }
  std::vector<std::uint32_t> missing() { return *world.ask<std::vector<std::uint32_t>>(session, missing_atom_v); }
  result<video> finalize() { return world.ask<video>(session, finalize_atom_v); }
};

/// An upload of 25 bytes in 3 chunks, with a session of it in each of two processes.
struct shared_fixture : test::storage_fixture {
  process one{*this};
  process two{*this};

  static inline const std::string text = "0123456789abcdefghijKLMNO";

  void begin_upload(std::uint64_t chunk_size = 0) {
    REQUIRE(db->open_video(a, {"title", "", "", "", text.size(), 3, chunk_size}, false));
    REQUIRE(prepare_source(folder, a, text.size()));
    one.start();
    two.start();
  }

  std::string chunk(std::uint32_t index) const { return text.substr(index * 10, 10); }
  std::string source() const { return content(folder.source(a)); }
};

} // namespace

TEST_CASE_METHOD(shared_fixture, "each chunk goes to any process, and finalize to any", "[shared_upload]") {
  begin_upload(GENERATE(0, 10));
  auto last_first = GENERATE(true, false);
  REQUIRE(one.put(last_first ? 2 : 0, chunk(last_first ? 2 : 0)));
  REQUIRE(two.put(1, chunk(1)));
  auto early = one.finalize();
  REQUIRE_FALSE(early);
  CHECK(early.error().code == errc::conflict);
  CHECK(early.error().text == (last_first ? "1 of 3 chunks are missing: 0" : "1 of 3 chunks are missing: 2"));
  CHECK(two.missing() == one.missing());

  auto receipt = two.put(last_first ? 0 : 2, chunk(last_first ? 0 : 2));
  REQUIRE(receipt);
  CHECK(receipt->received_chunks == 3);
  CHECK(one.missing().empty());
  CHECK(one.finalize()->status == video_status::queued);
  CHECK(two.finalize()->status == video_status::queued);
  CHECK(jobs().size() == 1);
  CHECK(source() == text);
}

TEST_CASE_METHOD(shared_fixture, "a chunk that came to one process is not written again by another",
                 "[shared_upload]") {
  begin_upload(GENERATE(0, 10));
  REQUIRE(one.put(0, chunk(0)));
  SECTION("while the upload runs") {}
  SECTION("when it is whole") {
    REQUIRE(one.put(1, chunk(1)));
    REQUIRE(one.put(2, chunk(2)));
  }
  SECTION("when it is finalized") {
    REQUIRE(one.put(1, chunk(1)));
    REQUIRE(one.put(2, chunk(2)));
    REQUIRE(one.finalize());
  }
  auto again = two.begin(0);
  REQUIRE(again);
  CHECK(again->present);
  CHECK(again->max_size == 10);
  REQUIRE(two.write(again->id, "##########"));
  auto receipt = two.end(again->id);
  REQUIRE(receipt);
  CHECK(receipt->chunk_size == 10);
  CHECK(receipt->received_chunks == db->get(a)->received_chunks);
  CHECK(source().substr(0, 10) == chunk(0));
}

TEST_CASE_METHOD(shared_fixture, "a chunk that comes while a session begins in another process has its size there",
                 "[shared_upload]") {
  begin_upload();
  auto before = *two.db->get(a);
  REQUIRE(one.put(0, chunk(0)));
  two.start(before);
  auto again = two.begin(0);
  REQUIRE(again);
  CHECK(again->present);
  CHECK(again->max_size == 10);
}

TEST_CASE_METHOD(shared_fixture, "of two processes that get the same chunk at once one writes it", "[shared_upload]") {
  begin_upload(GENERATE(0, 10));
  auto first = one.begin(0);
  REQUIRE(first);
  REQUIRE(one.write(first->id, "0123"));
  pass(10s, 1s);
  auto second = two.beginning(0);
  pass(10s, 1s);
  CHECK_FALSE(second.answered());

  SECTION("and when it is there the other need not") {
    REQUIRE(one.write(first->id, "456789"));
    auto ending = one.ending(first->id);
    pass(100ms);
    auto ticket = second.get<chunk_ticket>();
    REQUIRE(ticket);
    CHECK(ticket->present);
    CHECK(ending.get<chunk_receipt>());
    CHECK(two.end(ticket->id)->received_chunks == 1);
  }
  SECTION("and when it gives up the other does") {
    tell(one.session, abort_atom_v, first->id);
    pass(100ms);
  }
  SECTION("and when it is silent the other does") {
    pass(45s, 1s);
  }
  SECTION("and when it ends the other does") {
    self->send_exit(one.session, caf::exit_reason::kill);
    pass(100ms);
  }
  if (two.missing().front() == 0) {
    auto ticket = second.get<chunk_ticket>();
    REQUIRE(ticket);
    CHECK_FALSE(ticket->present);
    CHECK_FALSE(one.write(first->id, "######"));
    REQUIRE(two.write(ticket->id, chunk(0)));
    CHECK(two.end(ticket->id)->received_chunks == 1);
  }
  CHECK(source().substr(0, 10) == chunk(0));
}

TEST_CASE_METHOD(shared_fixture, "nobody waits longer for another process than for a writer here", "[shared_upload]") {
  begin_upload(10);
  auto first = one.begin(0);
  auto waiting = two.beginning(0);
  for (auto i = 0; i < 65; ++i) {
    REQUIRE(one.write(first->id, ""));
    pass(1s, 1s);
  }
  CHECK(waiting.get<chunk_ticket>().error().code == errc::timed_out);
  REQUIRE(one.write(first->id, chunk(0)));
  REQUIRE(one.end(first->id));
  two.start(); // the session from before has ended: nobody had spoken to it for so long
  const auto second = two.begin(0);
  REQUIRE(second);
  CHECK(second->present);
}

TEST_CASE_METHOD(shared_fixture, "an index is held until it is known whether its chunk was recorded",
                 "[shared_upload]") {
  begin_upload(10);
  *one.policy = [](const caf::message& message) {
    return test::begins_with(message, chunk_atom_v) ? test::fate{test::fate::kind::swallow, {}} : test::fate{};
  };
  auto first = one.begin(0);
  REQUIRE(one.write(first->id, chunk(0)));
  auto ending = one.ending(first->id);
  auto second = two.beginning(0);
  pass(65s, 1s);
  CHECK(second.get<chunk_ticket>().error().code == errc::timed_out);
  CHECK_FALSE(ending.answered());
  CHECK(source().substr(0, 10) == chunk(0));
}

TEST_CASE_METHOD(shared_fixture, "the first whole chunk in any process decides the size of the others",
                 "[shared_upload]") {
  begin_upload();
  auto nine = one.begin(0);
  auto ten = two.begin(1);
  REQUIRE(one.write(nine->id, "123456789"));
  REQUIRE(two.write(ten->id, chunk(1)));
  REQUIRE(two.end(ten->id));
  auto refused = one.end(nine->id);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "chunk 0 must have 10 bytes and has 9");
  CHECK(source().substr(0, 20) == std::string(10, '\0') + chunk(1));
  REQUIRE(one.put(0, chunk(0)));
  REQUIRE(one.put(2, chunk(2)));
  CHECK(source() == text);
}

TEST_CASE_METHOD(shared_fixture, "a chunk of an upload that was deleted is not one of the next", "[shared_upload]") {
  begin_upload(10);
  REQUIRE(one.put(1, chunk(1)));
  REQUIRE(ask<void>(two.catalog, remove_atom_v, a));
  CHECK(one.begin(2).error().code == errc::not_found);

  begin_upload(10);
  REQUIRE(two.put(2, chunk(2)));
  CHECK(db->get(a)->received_chunks == 1);
  CHECK(source() == std::string(20, '\0') + chunk(2));
  CHECK(one.missing() == std::vector<std::uint32_t>{0, 1});
}

TEST_CASE_METHOD(shared_fixture, "a session from before a deletion records nothing", "[shared_upload]") {
  begin_upload(GENERATE(0, 10));
  auto late = one.begin(0);
  REQUIRE(one.write(late->id, chunk(0)));
  auto old = one.session;
  REQUIRE(ask<void>(two.catalog, remove_atom_v, a));
  begin_upload(0);
  one.session = old;
  CHECK(one.end(late->id).error().code == errc::overloaded);
  CHECK(one.begin(1).error().code == errc::overloaded);
  CHECK_FALSE(ask<std::vector<std::uint32_t>>(old, missing_atom_v)); // it has ended
  CHECK(db->get(a)->received_chunks == 0);
  CHECK(db->get(a)->chunk_size == 0);
  CHECK(source() == std::string(25, '\0'));
  REQUIRE(two.put(0, chunk(0)));
}
