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

/// Only counts what it is told.
struct queue_log {
  std::vector<std::string> enqueued;
};

job_queue_actor::behavior_type logging_queue(job_queue_actor::pointer, std::shared_ptr<queue_log> log) {
  return {
      [](outbox_atom) {},
      [log](enqueue_atom, const std::string& hash) { log->enqueued.push_back(hash); },
      [](subscribe_atom, const job_consumer&, std::uint32_t) {},
      [](drain_atom, const job_consumer&) {},
      [](ack_atom, std::uint64_t) {},
      [](later_atom, std::uint64_t, caf::timespan, const std::string&) {},
      [](dead_atom, std::uint64_t, const std::string&) {},
      [](status_atom) { return queue_status{}; },
  };
}

arrival_listener::behavior_type arrival_log(arrival_listener::pointer, std::shared_ptr<std::vector<arrival>> log) {
  return {[log](arrive_atom, const arrival& now) { log->push_back(now); }};
}

/// An upload of 25 bytes in 3 chunks, with a tap before the catalog.
struct session_fixture : test::storage_fixture {
  std::shared_ptr<test::interference> policy = std::make_shared<test::interference>();
  std::shared_ptr<queue_log> log = std::make_shared<queue_log>();
  upload_session_actor session;

  static inline const std::string text = "0123456789abcdefghijKLMNO";

  void begin_upload(std::uint64_t chunk_size = 0, std::uint32_t chunks = 3) {
    REQUIRE(db->open_video(a, {"title", "", "", "", text.size(), chunks, chunk_size}, false));
    REQUIRE(prepare_source(folder, a, text.size()));
    restart();
  }

  /// As the session manager spawns a session.
  void restart() {
    upload_session_config config;
    config.catalog =
        caf::actor_cast<catalog_actor>(spawn(test::tap, caf::actor_cast<caf::actor>(catalog), policy, false));
    config.queue = spawn(logging_queue, log);
    config.folder = folder;
    config.video = *db->get(a);
    config.chunks = *db->chunks(a);
    config.rate_beside_viewers = 10;
    session = spawn(upload_session, config);
    run();
  }

  result<chunk_ticket> begin(std::uint32_t index, std::uint64_t size = 0) {
    return ask<chunk_ticket>(session, begin_atom_v, index, size);
  }
  result<void> write(std::uint64_t ticket, std::string_view data) {
    return ask<void>(session, write_atom_v, ticket, to_bytes(data));
  }
  result<chunk_receipt> end(std::uint64_t ticket) { return ask<chunk_receipt>(session, end_atom_v, ticket); }

  result<chunk_receipt> put(std::uint32_t index, std::string_view data, std::uint64_t said = 0) {
    auto ticket = begin(index, said);
    if (!ticket)
      return tl::unexpected(ticket.error());
    if (!ticket->present)
      if (auto written = write(ticket->id, data); !written)
        return tl::unexpected(written.error());
    return end(ticket->id);
  }

  /// What is told of the upload from here on; `reading` is that of the beginning.
  std::shared_ptr<std::vector<arrival>> follow() {
    auto told = std::make_shared<std::vector<arrival>>();
    tell(session, watch_atom_v, arrival_listener{spawn(arrival_log, told)});
    run();
    REQUIRE(told->size() == 1);
    reading = told->front().reading;
    return told;
  }
  std::uint32_t reading = 0;

  std::string chunk(std::uint32_t index) const { return text.substr(index * 10, 10); }
  std::vector<std::uint32_t> missing() { return *ask<std::vector<std::uint32_t>>(session, missing_atom_v); }
  result<video> finalize() { return ask<video>(session, finalize_atom_v); }

  bool ended() {
    self->monitor(session);
    run();
    auto down = false;
    while (self->has_next_message())
      self->receive([&](const caf::down_msg&) { down = true; });
    if (!down)
      self->demonitor(session.address());
    return down;
  }

  /// The names in the video's folder.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (auto& entry : std::filesystem::directory_iterator{folder.video(a)})
      names.push_back(entry.path().filename());
    return names;
  }
};

} // namespace

TEST_CASE_METHOD(session_fixture, "chunks in any order make the file", "[upload_session]") {
  auto known = GENERATE(true, false);
  auto order = GENERATE(as<std::vector<std::uint32_t>>{}, std::vector<std::uint32_t>{0, 1, 2},
                        std::vector<std::uint32_t>{2, 1, 0}, std::vector<std::uint32_t>{1, 2, 0});
  begin_upload(known ? 10 : 0);
  CHECK(content(folder.source(a)).size() == text.size());
  std::uint32_t received = 0;
  for (auto index : order) {
    auto receipt = put(index, chunk(index));
    REQUIRE(receipt);
    CHECK(receipt->video_hash == a);
    CHECK(receipt->chunk_index == index);
    CHECK(receipt->chunk_size == chunk(index).size());
    CHECK(receipt->received_chunks == ++received);
    CHECK(receipt->total_chunks == 3);
  }
  CHECK(missing().empty());
  auto video = finalize();
  REQUIRE(video);
  CHECK(video->status == video_status::queued);
  CHECK(log->enqueued == std::vector{a});
  CHECK(content(folder.source(a)) == text);
  CHECK(files() == std::vector<std::string>{"source"});
}

TEST_CASE_METHOD(session_fixture, "chunks written side by side don't meet", "[upload_session]") {
  begin_upload();
  std::vector<chunk_ticket> tickets;
  for (std::uint32_t index = 0; index < 3; ++index)
    tickets.push_back(*begin(index));
  for (std::size_t at = 0; at < 10; ++at)
    for (std::uint32_t index = 0; index < 3; ++index)
      if (at < chunk(index).size())
        REQUIRE(write(tickets[index].id, chunk(index).substr(at, 1)));
  for (auto index : {1U, 2U, 0U})
    REQUIRE(end(tickets[index].id));
  CHECK(content(folder.source(a)) == text);
}

TEST_CASE_METHOD(session_fixture, "an acknowledged chunk is there for the next session", "[upload_session]") {
  begin_upload();
  REQUIRE(put(1, chunk(1)));
  self->send_exit(session, caf::exit_reason::kill);
  run();
  restart();
  CHECK(missing() == std::vector<std::uint32_t>{0, 2});
  auto again = begin(1, 10);
  REQUIRE(again);
  CHECK(again->present);
  REQUIRE(put(0, chunk(0)));
  REQUIRE(put(2, chunk(2)));
  REQUIRE(finalize());
  CHECK(content(folder.source(a)) == text);
}

TEST_CASE_METHOD(session_fixture, "an acknowledged chunk is never written again", "[upload_session]") {
  begin_upload(10);
  REQUIRE(put(0, chunk(0)));
  auto again = begin(0, 10);
  REQUIRE(again);
  CHECK(again->present);
  REQUIRE(write(again->id, "##########"));
  auto receipt = end(again->id);
  REQUIRE(receipt);
  CHECK(receipt->received_chunks == 1);
  CHECK(content(folder.source(a)).substr(0, 10) == chunk(0));
}

TEST_CASE_METHOD(session_fixture, "ending a chunk twice is harmless", "[upload_session]") {
  begin_upload(10);
  auto ticket = begin(0);
  REQUIRE(write(ticket->id, chunk(0)));
  CHECK(end(ticket->id)->received_chunks == 1);
  CHECK(end(ticket->id)->received_chunks == 1);
  tell(session, abort_atom_v, ticket->id);
  CHECK(missing() == std::vector<std::uint32_t>{1, 2});
}

TEST_CASE_METHOD(session_fixture, "who comes second for an index waits for the end of the first", "[upload_session]") {
  begin_upload(10);
  auto first = begin(0);
  REQUIRE(write(first->id, "0123"));
  auto second = request(session, begin_atom_v, std::uint32_t{0}, std::uint64_t{10});
  CHECK_FALSE(second.answered());

  SECTION("which succeeds") {
    REQUIRE(write(first->id, "456789"));
    auto ending = request(session, end_atom_v, first->id);
    run();
    auto ticket = second.get<chunk_ticket>();
    REQUIRE(ticket);
    CHECK(ticket->present);
    CHECK(ending.get<chunk_receipt>());
    CHECK(end(ticket->id)->received_chunks == 1);
  }
  SECTION("which gives up") {
    tell(session, abort_atom_v, first->id);
  }
  SECTION("which is silent") {
    pass(61s, 1s);
  }
  if (missing().front() == 0) {
    auto ticket = second.get<chunk_ticket>();
    REQUIRE(ticket);
    CHECK_FALSE(ticket->present);
    CHECK(write(first->id, "456789").error().code == errc::timed_out);
    REQUIRE(write(ticket->id, chunk(0)));
    CHECK(end(ticket->id)->received_chunks == 1);
  }
  CHECK(content(folder.source(a)).substr(0, 10) == chunk(0));
}

TEST_CASE_METHOD(session_fixture, "what can't be is refused in words", "[upload_session]") {
  auto known = GENERATE(true, false);
  begin_upload(known ? 10 : 0);
  CHECK(begin(3).error().code == errc::invalid_request);
  CHECK(begin(3).error().text == "there is no chunk 3: this upload has 3, counted from 0");
  CHECK(begin(0, 25).error().code == errc::invalid_request);
  CHECK(begin(2, 11).error().code == errc::invalid_request);
  CHECK(write(99, "x").error().code == errc::timed_out);
  CHECK(end(99).error().code == errc::timed_out);
  tell(session, abort_atom_v, std::uint64_t{99});

  // Too long a body is noticed when it passes the limit, too short a one at its end.
  auto ticket = begin(0);
  CHECK(write(ticket->id, std::string(13, 'x')).error().code == errc::invalid_request);
  CHECK(write(ticket->id, "x").error().code == errc::timed_out);
  CHECK(put(0, "short").error().code == errc::invalid_request);
  CHECK(missing().size() == 3);
  CHECK(files() == std::vector<std::string>{"source"});
  CHECK(put(0, chunk(0)));
}

TEST_CASE_METHOD(session_fixture, "the first whole chunk decides the size of the others", "[upload_session]") {
  begin_upload();
  auto nine = begin(0);
  auto ten = begin(1);
  REQUIRE(write(nine->id, "123456789"));
  REQUIRE(write(ten->id, chunk(1)));
  CHECK(end(ten->id));
  auto refused = end(nine->id);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "chunk 0 must have 10 bytes and has 9");
  CHECK(put(0, chunk(0)));
  CHECK(put(2, chunk(2)));
  CHECK(content(folder.source(a)) == text);
}

TEST_CASE_METHOD(session_fixture, "finalize names the chunks that are missing", "[upload_session]") {
  begin_upload(1, 25);
  REQUIRE(put(4, "4"));
  auto early = finalize();
  REQUIRE_FALSE(early);
  CHECK(early.error().code == errc::conflict);
  CHECK(early.error().text == "24 of 25 chunks are missing: 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, ...");
  CHECK(log->enqueued.empty());
}

TEST_CASE_METHOD(session_fixture, "finalize again is harmless, in this session and the next", "[upload_session]") {
  begin_upload();
  for (std::uint32_t index = 0; index < 3; ++index)
    REQUIRE(put(index, chunk(index)));
  REQUIRE(finalize());
  CHECK(finalize()->status == video_status::queued);
  restart();
  CHECK(finalize()->status == video_status::queued);
  CHECK(jobs().size() == 1);
  auto late = begin(1, 10);
  REQUIRE(late);
  CHECK(late->present);
  CHECK(end(late->id));
}

TEST_CASE_METHOD(session_fixture, "a chunk is acknowledged only when the catalog knows it", "[upload_session]") {
  begin_upload(10);
  auto what = GENERATE(test::fate::kind::refuse, test::fate::kind::swallow);
  *policy = [what](const caf::message& message) {
    return test::begins_with(message, chunk_atom_v) ? test::fate{what, {errc::disk_full, "no space"}} : test::fate{};
  };
  auto ticket = begin(0);
  REQUIRE(write(ticket->id, chunk(0)));
  auto ending = request(session, end_atom_v, ticket->id);
  if (what == test::fate::kind::swallow) {
    CHECK_FALSE(ending.answered());
    pass(15s, 1s);
  }
  auto refused = ending.get<chunk_receipt>();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == (what == test::fate::kind::refuse ? errc::disk_full : errc::timed_out));
  CHECK(missing().size() == 3);

  *policy = nullptr;
  CHECK(put(0, chunk(0)));
}

TEST_CASE_METHOD(session_fixture, "a full disk is an answer", "[upload_session]") {
  if (!std::filesystem::exists("/dev/full"))
    return;
  begin_upload(10);
  std::filesystem::remove(folder.source(a));
  std::filesystem::create_symlink("/dev/full", folder.source(a));
  restart();
  auto ticket = begin(0);
  REQUIRE(ticket);
  CHECK(write(ticket->id, chunk(0)).error().code == errc::disk_full);
  CHECK(write(ticket->id, chunk(0)).error().code == errc::timed_out);
}

TEST_CASE_METHOD(session_fixture, "a source that is gone is not made up", "[upload_session]") {
  begin_upload(10);
  REQUIRE(put(0, chunk(0)));
  std::filesystem::remove(folder.source(a));
  restart();
  CHECK(begin(1).error().code == errc::conflict);
  CHECK_FALSE(std::filesystem::exists(folder.source(a)));
}

TEST_CASE_METHOD(session_fixture, "a session ends when it has been idle, and not before", "[upload_session]") {
  begin_upload(10);
  auto ticket = begin(0);
  pass(30s, 1s);
  CHECK_FALSE(ended()); // somebody still writes
  REQUIRE(write(ticket->id, chunk(0)));
  REQUIRE(end(ticket->id));
  pass(9s, 1s);
  CHECK(missing().size() == 2);
  pass(9s, 1s);
  CHECK_FALSE(ended());
  pass(4s, 1s);
  CHECK(ended());
}

TEST_CASE_METHOD(session_fixture, "who follows an upload is told of what arrives, but not of each chunk",
                 "[upload_session]") {
  begin_upload(10);
  const auto told = follow();
  CHECK(told->back() == arrival{{}, false, false, {}, reading});
  REQUIRE(put(0, chunk(0)));
  REQUIRE(told->size() == 3); // that it comes, and that it is there
  CHECK(told->back() == arrival{{{0, 10}}, false, false, {}, reading});
  REQUIRE(put(2, chunk(2)));
  CHECK(told->size() == 3);
  pass(100ms);
  REQUIRE(told->size() == 4);
  CHECK(told->back() == arrival{{{0, 10}, {20, 25}}, false, false, {}, reading});
  pass(1s);
  CHECK(told->size() == 4);
  REQUIRE(put(1, chunk(1)));
  CHECK(told->size() == 6);
  // Its end is told at once.
  REQUIRE(finalize());
  REQUIRE(told->size() == 7);
  CHECK(told->back() == arrival{{{0, 25}}, true, false, {}, reading});
}

TEST_CASE_METHOD(session_fixture, "bytes of a chunk that is on its way are there, until it is aborted",
                 "[upload_session]") {
  begin_upload(10);
  REQUIRE(put(0, chunk(0)));
  const auto told = follow();
  const auto await = [&](std::uint64_t offset, std::uint64_t length, bool acknowledged) {
    return request(session, await_atom_v, offset, length, acknowledged);
  };
  auto early = await(8, 6, false);
  auto certain = await(8, 6, true);
  const auto there = [](auto& one) { return *one.template get<media::byte_range, std::uint32_t>(); };
  const auto sent = begin(1, 10);
  REQUIRE(sent);
  REQUIRE(write(sent->id, "abc"));
  CHECK(told->back() == arrival{{{0, 10}}, false, false, {{10, 13}}, reading});
  CHECK_FALSE(early.answered());
  REQUIRE(write(sent->id, "de"));
  CHECK(there(early) == std::tuple{media::byte_range{0, 15}, reading});
  CHECK_FALSE(certain.answered());
  pass(100ms);
  CHECK(told->back() == arrival{{{0, 10}}, false, false, {{10, 15}}, reading});

  SECTION("which is told") {
    auto more = await(8, 12, false);
    CHECK_FALSE(more.answered());
    tell(session, abort_atom_v, sent->id);
    CHECK(there(more) == std::tuple{media::byte_range{}, reading + 1});
    CHECK(told->back() == arrival{{{0, 10}}, false, false, {}, reading + 1});
    auto late = await(8, 6, false);
    CHECK_FALSE(late.answered());
    REQUIRE(put(1, chunk(1)));
    CHECK(there(late) == std::tuple{media::byte_range{0, 20}, reading + 1});
    pass(100ms);
    CHECK(told->back() == arrival{{{0, 20}}, false, false, {}, reading + 1});
  }
  SECTION("also where its sender is silent") {
    pass(70s, 1s);
    CHECK(told->back() == arrival{{{0, 10}}, false, false, {}, reading + 1});
  }
  SECTION("or acknowledged") {
    REQUIRE(write(sent->id, "fghij"));
    CHECK_FALSE(certain.answered());
    REQUIRE(end(sent->id));
    CHECK(there(certain) == std::tuple{media::byte_range{0, 20}, reading});
    CHECK(told->back() == arrival{{{0, 20}}, false, false, {}, reading});
  }
  SECTION("and no other session's reading has its number") {
    pass(1s);
    restart();
    const auto before = reading;
    follow();
    CHECK(reading != before);
  }
}

TEST_CASE_METHOD(session_fixture, "bytes whose place is not known yet are not there", "[upload_session]") {
  begin_upload();
  const auto told = follow();
  const auto sent = begin(0);
  REQUIRE(sent);
  REQUIRE(write(sent->id, "abc"));
  tell(session, abort_atom_v, sent->id);
  pass(1s);
  CHECK(told->size() == 1);
}

TEST_CASE_METHOD(session_fixture, "a receipt names the chunks that somebody waits for", "[upload_session]") {
  begin_upload(5, 5);
  tell(session, want_atom_v, std::vector<media::byte_range>{{22, 25}, {3, 12}}, false);
  CHECK(put(0, text.substr(0, 5))->wanted_chunks == std::vector<std::uint32_t>{4, 1, 2});
  auto reader = request(session, await_atom_v, std::uint64_t{16}, std::uint64_t{2}, false);
  auto sent = begin(1);
  REQUIRE(sent);
  CHECK(put(4, text.substr(20, 5))->wanted_chunks == std::vector<std::uint32_t>{2, 3});
  CHECK(put(3, text.substr(15, 5))->wanted_chunks == std::vector<std::uint32_t>{2});
  CHECK(std::get<0>(*reader.get<media::byte_range, std::uint32_t>()) == media::byte_range{15, 25});
}

TEST_CASE_METHOD(session_fixture, "while viewers wait, who sends what they don't wait for is held back",
                 "[upload_session]") {
  begin_upload(5, 5);
  const auto told = std::make_shared<std::vector<arrival>>();
  const auto job = spawn(arrival_log, told);
  tell(session, watch_atom_v, arrival_listener{job});
  const auto send = [&](std::uint32_t index) {
    const auto ticket = begin(index);
    REQUIRE(ticket);
    REQUIRE(write(ticket->id, text.substr(index * 5, 5)));
    return request(session, end_atom_v, ticket->id);
  };
  tell(session, want_atom_v, std::vector<media::byte_range>{{3, 4}}, true);
  CHECK(send(0).get<chunk_receipt>());
  auto third = send(3);
  advance(100ms, 10ms);
  auto fourth = send(4);
  CHECK(told->back().present == std::vector<media::byte_range>{{0, 5}, {15, 20}}); // that it is there, is told at once
  CHECK(begin(3)->present);
  SECTION("to a rate") {
    advance(350ms, 10ms);
    CHECK_FALSE(third.answered());
    advance(100ms, 10ms);
    CHECK(third.get<chunk_receipt>()->chunk_index == 3);
    CHECK_FALSE(fourth.answered());
    advance(100ms, 10ms);
    CHECK(fourth.get<chunk_receipt>()->chunk_index == 4);
  }
  SECTION("which a slow one does not reach") {
    const auto ticket = begin(1);
    REQUIRE(ticket);
    REQUIRE(write(ticket->id, text.substr(5, 5)));
    advance(600ms, 10ms);
    CHECK(third.get<chunk_receipt>());
    CHECK(fourth.get<chunk_receipt>());
    CHECK(end(ticket->id));
  }
  SECTION("and one that is not as fast only for the rest") {
    const auto ticket = begin(1);
    REQUIRE(ticket);
    REQUIRE(write(ticket->id, text.substr(5, 5)));
    advance(300ms, 10ms);
    auto sent = request(session, end_atom_v, ticket->id);
    advance(150ms, 10ms);
    CHECK(third.get<chunk_receipt>());
    CHECK_FALSE(sent.answered());
    advance(100ms, 10ms);
    CHECK(fourth.get<chunk_receipt>());
    CHECK(sent.get<chunk_receipt>());
  }
  SECTION("until viewers have what they waited for") {
    tell(session, want_atom_v, std::vector<media::byte_range>{}, false);
    CHECK(third.get<chunk_receipt>());
    CHECK(fourth.get<chunk_receipt>());
    CHECK(send(2).get<chunk_receipt>());
  }
  SECTION("until they wait for something that it has not sent yet") {
    tell(session, want_atom_v, std::vector<media::byte_range>{{11, 12}}, true);
    CHECK(third.get<chunk_receipt>()->wanted_chunks == std::vector<std::uint32_t>{2});
    CHECK(fourth.get<chunk_receipt>());
    CHECK(send(2).get<chunk_receipt>());
    auto next = send(1); // is held back as long as the others would have been
    advance(450ms, 10ms);
    CHECK_FALSE(next.answered());
    advance(100ms, 10ms);
    CHECK(next.answered());
  }
  SECTION("until somebody reads on") {
    auto reader = request(session, await_atom_v, std::uint64_t{11}, std::uint64_t{1}, false);
    CHECK(third.get<chunk_receipt>()->wanted_chunks == std::vector<std::uint32_t>{2});
    CHECK(send(1).get<chunk_receipt>()); // so that what is waited for comes next
    const auto ticket = begin(2);
    REQUIRE(ticket);
    REQUIRE(write(ticket->id, text.substr(10, 5)));
    CHECK(reader.get<media::byte_range, std::uint32_t>());
  }
  SECTION("until nobody speaks for them any more") {
    self->send_exit(job, caf::exit_reason::user_shutdown);
    CHECK(third.get<chunk_receipt>());
    CHECK(fourth.get<chunk_receipt>());
    CHECK(send(2).get<chunk_receipt>());
  }
  SECTION("but not beyond the session's end") {
    self->send_exit(session, caf::exit_reason::user_shutdown);
    CHECK(third.get<chunk_receipt>()->chunk_index == 3);
    CHECK(fourth.get<chunk_receipt>()->chunk_index == 4);
  }
}

TEST_CASE_METHOD(session_fixture, "nobody who sends large chunks is held back for long", "[upload_session]") {
  begin_upload(10);
  tell(session, want_atom_v, std::vector<media::byte_range>{{3, 4}}, true);
  const auto ticket = begin(1);
  REQUIRE(ticket);
  REQUIRE(write(ticket->id, chunk(1)));
  CHECK(put(0, chunk(0)));
  advance(300ms, 10ms);
  auto sent = request(session, end_atom_v, ticket->id); // at that rate this takes another 700 ms
  advance(450ms, 10ms);
  CHECK_FALSE(sent.answered());
  advance(100ms, 10ms);
  CHECK(sent.get<chunk_receipt>());
}

TEST_CASE_METHOD(session_fixture, "only so many write at the same time", "[upload_session]") {
  REQUIRE(db->open_video(a, {"title", "", "", "", 1000, 1000, 1}, false));
  REQUIRE(prepare_source(folder, a, 1000));
  restart();
  for (std::uint32_t index = 0; index < 64; ++index)
    REQUIRE(begin(index));
  CHECK(begin(64).error().code == errc::overloaded);
  pass(80s, 1s);
  CHECK(ended());
}

TEST_CASE_METHOD(session_fixture, "an end of the session answers those who wait", "[upload_session]") {
  begin_upload(10);
  REQUIRE(begin(0));
  auto second = request(session, begin_atom_v, std::uint32_t{0}, std::uint64_t{10});
  CHECK_FALSE(second.answered());
  self->send_exit(session, caf::exit_reason::user_shutdown);
  CHECK(second.get<chunk_ticket>().error().code == errc::overloaded);
}
