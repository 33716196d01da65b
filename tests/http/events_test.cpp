#include "http/events_api.hpp"
#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <charconv>
#include <thread>

using namespace vp::http;

namespace {

struct received_event {
  std::uint64_t id = 0;
  std::string kind;
  nlohmann::json data;
};

/// Reads a stream as a browser does.
class event_stream {
public:
  event_stream(std::uint16_t port, const std::string& target, const std::string& last_event_id = {}) : client_(port) {
    client_.write(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", target,
                              last_event_id.empty() ? "" : "Last-Event-ID: " + last_event_id + "\r\n"));
    head_ = client_.read_until("\r\n\r\n");
  }

  const std::string& head() const { return head_; }
  std::uint64_t last_id() const { return last_id_; }

  /// The next event that has data; blocks without data but an id count for `last_id`, comments for nothing.
  received_event next() {
    for (;;) {
      auto text = client_.read_until("\n\n");
      received_event event;
      std::string data;
      while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.erase(0, line.size() + 1);
        if (line.starts_with("id: "))
          std::from_chars(line.data() + 4, line.data() + line.size(), last_id_);
        else if (line.starts_with("event: "))
          event.kind = line.substr(7);
        else if (line.starts_with("data: "))
          data = line.substr(6);
        else if (line == ":")
          ++pings_;
      }
      if (data.empty() && pings_wanted_ && pings_ > 0)
        return event;
      if (data.empty())
        continue;
      event.id = last_id_;
      event.data = nlohmann::json::parse(data);
      return event;
    }
  }

  /// Reads on until the server says that it is still there.
  void wait_for_ping() {
    pings_wanted_ = true;
    next();
    CHECK(pings_ > 0);
  }

  client& connection() { return client_; }

private:
  client client_;
  std::string head_;
  std::uint64_t last_id_ = 0;
  int pings_ = 0;
  bool pings_wanted_ = false;
};

std::string begin_upload(client& connection, const std::string& title) {
  return json_of(
      connection.post_json("/videos/init", {{"title", title}, {"total_chunks", 1}, {"file_size", 5}}))["video_hash"];
}

void finish_upload(client& connection, const std::string& hash) {
  REQUIRE(connection.post("/videos/upload_chunk/" + hash + "/0", "12345").result() == status::ok);
  REQUIRE(connection.post("/videos/finalize/" + hash, "").result() == status::ok);
}

/// Sends the head of a chunk of 5 bytes, and waits until the server wants them.
void begin_chunk(client& connection, const std::string& hash) {
  connection.write("POST /videos/upload_chunk/" + hash
                   + "/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  REQUIRE(connection.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
}

} // namespace

TEST_CASE("a reader gets what happens from now on, in order") {
  live_server server;
  client connection{server.port()};
  begin_upload(connection, "before");
  event_stream stream{server.port(), "/events"};
  CHECK(stream.head().starts_with("HTTP/1.1 200 "));
  CHECK(stream.head().find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(stream.head().find("Access-Control-Allow-Origin: *\r\n") != std::string::npos);

  const auto hash = begin_upload(connection, "after");
  finish_upload(connection, hash);
  std::uint64_t last = 0;
  std::vector<std::string> kinds;
  while (kinds.empty() || kinds.back() != "queued") {
    const auto event = stream.next();
    CHECK(event.id > last);
    last = event.id;
    CHECK(event.data["video_hash"] == hash);
    kinds.push_back(event.kind);
  }
  CHECK(kinds == std::vector<std::string>{"created", "chunk", "queued"});
}

TEST_CASE("a reader that was cut off resumes where it was") {
  live_server server;
  client connection{server.port()};
  const auto hash = begin_upload(connection, "film");
  std::uint64_t seen = 0;
  {
    event_stream stream{server.port(), "/events", "0"};
    const auto created = stream.next();
    CHECK(created.kind == "created");
    seen = created.id;
  }
  finish_upload(connection, hash);
  event_stream by_header{server.port(), "/events", std::to_string(seen)};
  const auto next = by_header.next();
  CHECK(next.id > seen);
  CHECK(next.kind != "created");
  event_stream by_query{server.port(), "/events?last_event_id=" + std::to_string(seen)};
  CHECK(by_query.next().id == next.id);
  event_stream of_video{server.port(), "/videos/" + hash + "/events", std::to_string(seen)};
  CHECK(of_video.next().id == next.id);

  // A newcomer that has seen nothing yet can resume too.
  event_stream fresh{server.port(), "/events"};
  const auto another = begin_upload(connection, "another");
  CHECK(fresh.next().data["video_hash"] == another);
}

TEST_CASE("a reader of one video first gets how it is, then its events alone") {
  live_server server;
  client connection{server.port()};
  const auto hash = begin_upload(connection, "mine");
  event_stream stream{server.port(), "/videos/" + hash + "/events"};
  const auto snapshot = stream.next();
  CHECK(snapshot.kind == "snapshot");
  CHECK(snapshot.data == json_of(connection.get("/videos/" + hash)));

  const auto other = begin_upload(connection, "other");
  finish_upload(connection, other);
  finish_upload(connection, hash);
  for (;;) {
    const auto event = stream.next();
    CHECK(event.data["video_hash"] == hash);
    if (event.kind == "queued")
      break;
  }
  REQUIRE(connection.send(make_request(verb::delete_, "/videos/" + hash)).result() == status::no_content);
  while (stream.next().kind != "deleted") {
  }
  CHECK(stream.connection().is_closed());
}

TEST_CASE("an idle stream says that it is there") {
  live_server server;
  event_stream stream{server.port(), "/events"};
  stream.wait_for_ping();
}

TEST_CASE("a stream that can't be is refused") {
  live_server server;
  client connection{server.port()};
  CHECK(connection.get("/videos/" + std::string(64, 'b') + "/events").result() == status::not_found);
  CHECK(connection.get("/videos/nonsense/events").result() == status::not_found);
  CHECK(connection.get("/events?last_event_id=x").result() == status::bad_request);
  auto request = make_request(verb::get, "/events");
  request.set("Last-Event-ID", "-5");
  CHECK(connection.send(request).result() == status::bad_request);
}

TEST_CASE("an id from a log that is no more is as good as none") {
  live_server server;
  client connection{server.port()};
  event_stream stream{server.port(), "/events", "123456789"};
  const auto hash = begin_upload(connection, "film");
  CHECK(stream.next().data["video_hash"] == hash);
}

TEST_CASE("a reader that goes away is noticed at once") {
  live_server server;
  event_stream stream{server.port(), "/events"};
  REQUIRE(server.wait_for_connections(1));
  stream.connection().close();
  CHECK(server.wait_for_connections(0));
}

TEST_CASE("a stop ends streams and idle connections, and lets a response finish") {
  live_server server;
  event_stream stream{server.port(), "/events"};
  client idle{server.port()};
  const auto hash = begin_upload(idle, "film");
  client untouched{server.port()};
  client busy{server.port()};
  begin_chunk(busy, hash);
  REQUIRE(server.wait_for_connections(4));

  const auto start = std::chrono::steady_clock::now();
  std::jthread stop{[&] { server.stop(std::chrono::seconds(10)); }};
  CHECK(stream.connection().is_closed());
  CHECK(idle.is_closed());
  CHECK(untouched.is_closed());
  busy.write("12345");
  const auto response = busy.read_response();
  CHECK(response.result() == status::ok);
  CHECK_FALSE(response.keep_alive());
  busy.close();
  stop.join();
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  CHECK_THROWS(client{server.port()});
}

TEST_CASE("a stop ends at its limit what does not end by itself") {
  live_server server;
  client connection{server.port()};
  begin_chunk(connection, begin_upload(connection, "film"));
  const auto start = std::chrono::steady_clock::now();
  server.stop(std::chrono::milliseconds(300));
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took >= std::chrono::milliseconds(300));
  CHECK(took < std::chrono::seconds(5));
  CHECK(connection.is_closed());
}
