#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <thread>

using namespace vp::http;
using namespace std::chrono_literals;

namespace {

std::string status_line(std::string_view response) {
  return std::string{response.substr(0, response.find("\r\n"))};
}

/// What the server says to these bytes before it closes.
std::string say(std::uint16_t port, std::string_view bytes) {
  client connection{port};
  connection.write_while_taken(bytes);
  return connection.read_to_end().value_or("no end");
}

/// A header of about `size` bytes in fields of 100.
std::string long_header(std::size_t size) {
  std::string text = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 0; text.size() < size; ++i)
    text += fmt::format("X-Field-{:05}: {}\r\n", i, std::string(83, 'x'));
  return text + "\r\n";
}

} // namespace

TEST_CASE("what is no HTTP is told so in JSON") {
  live_server server;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\r\nHost: x\r\nbad field\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/7.0\r\nHost: x\r\n\r\n", "HTTP/1.1 "},
      {"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 400 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 501 "},
      {"POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: a miracle\r\n\r\n", "HTTP/1.1 417 "},
      {"GET nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 414 "},
      {"GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 414 "},
      {long_header(20'000), "HTTP/1.1 431 "},
      {"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + std::string(20'000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
      {"GET / HTTP/1.1\r\nCookie: " + std::string(200'000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
  };
  for (const auto& [bytes, expected] : cases) {
    CAPTURE(bytes.substr(0, 100));
    const auto response = say(server.port(), bytes);
    CHECK(response.starts_with(expected));
    CHECK(response.find("{\"detail\":\"") != std::string::npos);
    CHECK(response.find("Access-Control-Allow-Origin: *\r\n") != std::string::npos);
  }
  client connection{server.port()};
  connection.write(long_header(15'000));
  CHECK(connection.read_response().result() == status::ok);
}

TEST_CASE("requests may come at once, and answers keep their order") {
  live_server server;
  client connection{server.port()};
  connection.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: "
                   "2\r\n\r\n{}GET /videos HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(connection.read_response().result() == status::ok);
  CHECK(connection.read_response().result() == status::unprocessable_entity);
  CHECK(connection.read_response().body() == "[]");
}

TEST_CASE("a connection stays open or not as its client wants") {
  live_server server;
  CHECK(say(server.port(), "GET /healthz HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
  CHECK(say(server.port(), "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .ends_with("{\"status\":\"ok\"}"));
  client old{server.port()};
  for (int i = 0; i < 2; ++i) {
    old.write("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(old.read_response()[field::connection] == "keep-alive");
  }
}

TEST_CASE("an absolute target is understood") {
  live_server server;
  client connection{server.port()};
  CHECK(connection.get("http://example.org/healthz").result() == status::ok);
}

TEST_CASE("a method that a path does not know is told which it knows") {
  live_server server;
  client connection{server.port()};
  const auto check = [&](verb method, std::string_view target, std::string_view allow) {
    CAPTURE(target);
    const auto response = connection.send(make_request(method, target));
    CHECK(response.result() == status::method_not_allowed);
    CHECK(response[field::allow] == beast::string_view{allow.data(), allow.size()});
    CHECK_FALSE(detail_of(response).empty());
  };
  check(verb::put, "/videos", "GET, HEAD, OPTIONS");
  check(verb::get, "/videos/init", "POST, OPTIONS");
  check(verb::get, "/videos/finalize/" + std::string(64, 'a'), "POST, OPTIONS");
  check(verb::patch, "/videos/" + std::string(64, 'a'), "GET, HEAD, DELETE, OPTIONS");
  check(verb::post, "/healthz/", "GET, HEAD, OPTIONS");
  check(verb::delete_, "/media/uploads/x", "GET, HEAD, OPTIONS");
  CHECK(connection.send(make_request(verb::delete_, "/nowhere")).result() == status::not_found);
  connection.write("BREW /videos HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(connection.read_response().result() == status::method_not_allowed);
}

TEST_CASE("pages of any origin may ask for everything") {
  live_server server;
  client connection{server.port()};
  auto request = make_request(verb::options, "/videos/upload_chunk/" + std::string(64, 'a') + "/0");
  request.set(field::origin, "https://example.org");
  request.set(field::access_control_request_method, "POST");
  request.set(field::access_control_request_headers, "content-type");
  auto response = connection.send(request);
  CHECK(response.result() == status::no_content);
  CHECK(response[field::access_control_allow_origin] == "*");
  CHECK(response[field::access_control_allow_methods] == "POST, OPTIONS");
  for (const char* name : {"Content-Type", "Range", "Last-Event-ID"})
    CHECK(response[field::access_control_allow_headers].find(name) != beast::string_view::npos);

  for (const char* target : {"/videos", "/nowhere", "/media/uploads/x", "/healthz", "/videos/init"}) {
    CAPTURE(target);
    response = connection.get(target);
    CHECK(response[field::access_control_allow_origin] == "*");
    for (const char* name : {"ETag", "Content-Range", "Retry-After"})
      CHECK(response[field::access_control_expose_headers].find(name) != beast::string_view::npos);
  }
  response = connection.send(make_request(verb::options, "/videos/" + std::string(64, 'a')));
  CHECK(response[field::access_control_allow_methods] == "GET, HEAD, DELETE, OPTIONS");
  CHECK(connection.send(make_request(verb::options, "*")).result() == status::no_content);
}

TEST_CASE("a slow client is told so, and holds nothing up") {
  live_server server{[](server_config& config) {
    config.limits.header_time = 300ms;
    config.limits.body_idle = 300ms;
    config.limits.idle_time = 600ms;
    config.limits.body_rate = 100'000;
  }};

  SECTION("in its header") {
    client connection{server.port()};
    connection.write("GET / HTTP/1.1\r\nHo");
    CHECK(status_line(connection.read_to_end().value_or("")) == "HTTP/1.1 408 Request Timeout");
  }
  SECTION("in a body that stops") {
    client connection{server.port()};
    connection.write("POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    CHECK(status_line(connection.read_to_end().value_or("")) == "HTTP/1.1 408 Request Timeout");
  }
  SECTION("in a body that trickles") {
    client connection{server.port()};
    connection.write("POST /videos/init HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    const auto start = std::chrono::steady_clock::now();
    std::string said;
    for (int i = 0; i < 100 && said.empty(); ++i) {
      connection.write_while_taken(" ");
      said = connection.read_to_end(50ms).value_or("");
      said += connection.seen();
    }
    CHECK(status_line(said) == "HTTP/1.1 408 Request Timeout");
    CHECK(std::chrono::steady_clock::now() - start < 4s);
  }
  SECTION("with a chunk, whose place is free again") {
    client connection{server.port()};
    const std::string hash = json_of(
        connection.post_json("/videos/init", {{"title", "t"}, {"total_chunks", 1}, {"file_size", 5}}))["video_hash"];
    connection.write("POST /videos/upload_chunk/" + hash + "/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12");
    CHECK(status_line(connection.read_to_end().value_or("")) == "HTTP/1.1 408 Request Timeout");
    client other{server.port()};
    CHECK(other.post("/videos/upload_chunk/" + hash + "/0", "12345").result() == status::ok);
  }
  SECTION("before any request") {
    client connection{server.port()};
    CHECK(connection.read_to_end() == "");
  }
  SECTION("between two requests") {
    client connection{server.port()};
    CHECK(connection.get("/healthz").result() == status::ok);
    CHECK(connection.read_to_end() == "");
  }
}

TEST_CASE("a reader that takes nothing is let go") {
  live_server server{[](server_config& config) { config.limits.write_idle = 300ms; }};
  server.folder().write("data/uploads/large.bin", std::string(50'000'000, 'x'));
  client connection{server.port()};
  connection.write("GET /media/uploads/large.bin HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(server.wait_for_connections(1));
  CHECK(server.wait_for_connections(0));
}

TEST_CASE("a reader that takes little at a time is let go") {
  live_server server{[](server_config& config) {
    config.limits.write_idle = 500ms;
    config.limits.write_rate = 1'000'000'000;
  }};
  server.folder().write("data/uploads/large.bin", "");
  std::filesystem::resize_file(server.data() / "uploads/large.bin", 1'000'000'000);
  client connection{server.port()};
  connection.write("GET /media/uploads/large.bin HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(server.wait_for_connections(1));
  // More often than the idle time, and much slower than the rate.
  std::size_t taken = 0;
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (server.connections() > 0 && std::chrono::steady_clock::now() < end) {
    taken += connection.read_some().size();
    std::this_thread::sleep_for(5ms);
  }
  CHECK(server.connections() == 0);
  CHECK(taken > 0);
}

TEST_CASE("a connection too many is told 503") {
  live_server server{[](server_config& config) { config.limits.connections = 5; }};
  std::vector<client> open;
  for (int i = 0; i < 5; ++i) {
    open.emplace_back(server.port());
    REQUIRE(open.back().get("/healthz").result() == status::ok);
  }
  client late{server.port()};
  const auto response = late.get("/healthz");
  CHECK(response.result() == status::service_unavailable);
  CHECK(response[field::retry_after] == "1");
  CHECK_FALSE(detail_of(response).empty());
  CHECK(late.is_closed());
  late.close();
  CHECK(open.back().get("/healthz").result() == status::ok);
  open.clear();
  REQUIRE(server.wait_for_connections(0));
  client again{server.port()};
  CHECK(again.get("/healthz").result() == status::ok);
}
