#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <thread>

using namespace vp::http;

namespace {

using nlohmann::json;

/// What a file of `size` bytes holds.
std::string make_content(std::size_t size) {
  std::string content(size, '\0');
  std::uint32_t state = 12345;
  for (auto& byte : content) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  // What a parser of forms may trip over.
  for (std::size_t at = 777; at + 12 < content.size(); at += 65521)
    content.replace(at, 12, "\r\n--boundary");
  return content;
}

std::string make_form(std::string_view content, std::string_view boundary = "xxboundaryxx") {
  return fmt::format("--{0}\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\nhello\r\n--{0}\r\n"
                     "Content-Disposition: form-data; name=\"chunk\"; filename=\"blob\"\r\n"
                     "Content-Type: application/octet-stream\r\n\r\n{1}\r\n--{0}--\r\n",
                     boundary, content);
}

constexpr const char* form_type = "multipart/form-data; boundary=xxboundaryxx";

/// An upload of three chunks that has begun.
struct fixture {
  explicit fixture(const live_server::adjust& change = {}) : server(change) {
    const auto response = connection.post_json("/videos/init", {{"title", "a film"},
                                                                {"total_chunks", chunks},
                                                                {"file_size", content.size()},
                                                                {"mime_type", "video/mp4"},
                                                                {"chunk_size", chunk_size}});
    REQUIRE(response.result() == status::ok);
    begun = json_of(response);
    hash = begun["video_hash"];
  }

  std::string chunk(std::size_t index) const { return content.substr(index * chunk_size, chunk_size); }
  std::string path(std::size_t index) const { return fmt::format("/videos/upload_chunk/{}/{}", hash, index); }
  std::string finalize_path() const { return "/videos/finalize/" + hash; }

  json video() { return json_of(connection.get("/videos/" + hash)); }

  std::string source() const {
    std::ifstream file{server.data() / "uploads" / hash / "source", std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  /// Sends what is missing and ends the upload: the source must be the file then.
  void finish() {
    for (std::size_t index = 0; index < chunks; ++index)
      REQUIRE(connection.post(path(index), chunk(index)).result() == status::ok);
    REQUIRE(connection.post(finalize_path(), "").result() == status::ok);
    CHECK(source() == content);
  }

  static constexpr std::size_t chunk_size = 1'000'000;
  static constexpr std::size_t chunks = 3;
  const std::string content = make_content(2'500'000);
  live_server server;
  client connection{server.port()};
  json begun;
  std::string hash;
};

} // namespace

TEST_CASE_METHOD(fixture, "init answers the video and which chunks are wanted") {
  CHECK(hash.size() == 64);
  CHECK(begun["title"] == "a film");
  CHECK(begun["status"] == "uploading");
  CHECK(begun["resumable"] == true);
  CHECK(begun["uploaded_chunks"] == json::array());
  CHECK(begun["missing_chunks"] == json({0, 1, 2}));
  CHECK(begun["total_chunks"] == 3);
  CHECK(begun["received_chunks"] == 0);
  CHECK(begun["mime_type"] == "video/mp4");
  for (const char* name : {"description", "url", "hls_url", "dash_url", "thumbnail_url", "width", "height", "duration",
                           "codec", "actual_mime_type", "error", "progress"}) {
    CAPTURE(name);
    REQUIRE(begun.contains(name));
    CHECK(begun[name].is_null());
  }
}

TEST_CASE_METHOD(fixture, "the answer to a chunk says which ones are wanted") {
  server.want(hash, {{2'000'000, 2'100'000}, {0, 10}});
  CHECK(json_of(connection.post(path(1), chunk(1)))["wanted_chunks"] == json({2, 0}));
  CHECK(json_of(connection.post(path(2), chunk(2)))["wanted_chunks"] == json::array({0}));
}

TEST_CASE_METHOD(fixture, "chunks arrive raw and as forms, in any order") {
  auto response = connection.post(path(2), chunk(2));
  REQUIRE(response.result() == status::ok);
  CHECK(json_of(response)
        == json({{"video_hash", hash},
                 {"chunk_index", 2},
                 {"chunk_size", 500'000},
                 {"received_chunks", 1},
                 {"total_chunks", 3},
                 {"wanted_chunks", json::array()}}));
  response = connection.post(path(0), make_form(chunk(0)), form_type);
  REQUIRE(response.result() == status::ok);
  CHECK(json_of(response)["received_chunks"] == 2);

  const auto resumed = json_of(connection.post_json(
      "/videos/init",
      {{"title", "a film"}, {"total_chunks", 3}, {"file_size", content.size()}, {"chunk_size", chunk_size}}));
  CHECK(resumed["video_hash"] == hash);
  CHECK(resumed["uploaded_chunks"] == json({0, 2}));
  CHECK(resumed["missing_chunks"] == json({1}));

  response = connection.post(finalize_path(), "");
  CHECK(response.result() == status::conflict);
  CHECK(detail_of(response).find('1') != std::string::npos);

  REQUIRE(connection.post(path(1) + "/", chunk(1)).result() == status::ok);
  response = connection.post(finalize_path(), "");
  REQUIRE(response.result() == status::ok);
  const auto finalized = json_of(response);
  CHECK(finalized["status"] == "queued");
  CHECK(finalized["video_hash"] == hash);
  CHECK(finalized["video_url"] == "/media/uploads/" + hash + "/hls/playlist.m3u8");
  CHECK(finalized["message"].is_string());
  CHECK(source() == content);

  // Again is harmless.
  CHECK(connection.post(path(1), chunk(1)).result() == status::ok);
  CHECK(connection.post(finalize_path(), "").result() == status::ok);
  CHECK(source() == content);
  CHECK(video()["status"] == "queued");
}

TEST_CASE_METHOD(fixture, "a chunked body needs no length") {
  connection.write("POST " + path(0) + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const auto body = chunk(0);
  for (std::size_t at = 0; at < body.size(); at += 70'001) {
    const auto piece = body.substr(at, 70'001);
    connection.write(fmt::format("{:x};extension=1\r\n{}\r\n", piece.size(), piece));
  }
  connection.write("0\r\nTrailer: yes\r\n\r\n");
  CHECK(connection.read_response().result() == status::ok);
  finish();
}

TEST_CASE_METHOD(fixture, "a client that asks whether to go on is told so") {
  const auto head = fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
                                path(0), chunk_size);
  connection.write(head);
  CHECK(connection.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  connection.write(chunk(0));
  CHECK(connection.read_response().result() == status::ok);

  // Nobody is asked to send what is refused anyway.
  client refused{server.port()};
  refused.write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
                            path(99), chunk_size));
  CHECK(refused.read_until("\r\n").starts_with("HTTP/1.1 400 "));
  finish();
}

TEST_CASE_METHOD(fixture, "all chunks in parallel, each of them twice at the same time") {
  std::vector<std::thread> senders;
  std::atomic<int> accepted = 0;
  for (std::size_t i = 0; i < 2 * chunks; ++i)
    senders.emplace_back([&, i] {
      client sender{server.port()};
      const auto index = i % chunks;
      const auto response = i < chunks ? sender.post(path(index), chunk(index))
                                       : sender.post(path(index), make_form(chunk(index)), form_type);
      accepted += response.result() == status::ok ? 1 : 0;
    });
  for (auto& sender : senders)
    sender.join();
  CHECK(accepted == 2 * chunks);
  CHECK(video()["received_chunks"] == 3);
  finish();
}

TEST_CASE_METHOD(fixture, "what can't be is refused, and the upload goes on") {
  const std::string unknown(64, '0');
  const auto check = [&](const response_type& response, status expected) {
    CHECK(response.result() == expected);
    CHECK_FALSE(detail_of(response).empty());
  };
  check(connection.post("/videos/upload_chunk/" + unknown + "/0", "x"), status::not_found);
  check(connection.post("/videos/upload_chunk/nonsense/0", "x"), status::not_found);
  check(connection.post("/videos/upload_chunk/" + std::string(64, 'A') + "/0", "x"), status::not_found);
  check(connection.post("/videos/finalize/" + unknown, ""), status::not_found);
  check(connection.post(path(3), chunk(0)), status::bad_request);
  check(connection.post(path(4'000'000'000), "x"), status::bad_request);
  check(connection.post(path(40'000'000'000), "x"), status::bad_request);
  check(connection.post("/videos/upload_chunk/" + hash + "/first", "x"), status::unprocessable_entity);
  check(connection.post("/videos/upload_chunk/" + hash + "/-1", "x"), status::unprocessable_entity);
  check(connection.post(path(0), chunk(0) + "x"), status::bad_request);
  check(connection.post(path(0), chunk(0).substr(1)), status::bad_request);
  check(connection.post(path(0), make_form(chunk(0) + "x"), form_type), status::bad_request);
  check(connection.post(path(0), make_form(chunk(0).substr(1)), form_type), status::bad_request);
  check(connection.post(path(0), ""), status::bad_request);
  check(connection.post(path(0), make_form(""), form_type), status::bad_request);
  CHECK(video()["received_chunks"] == 0);
  finish();
}

TEST_CASE_METHOD(fixture, "a malformed form is refused, and the upload goes on") {
  const auto check = [&](const std::string& body, std::string_view type) {
    client sender{server.port()};
    const auto response = sender.post(path(0), body, type);
    CHECK(response.result() == status::bad_request);
    CHECK_FALSE(detail_of(response).empty());
  };
  check(make_form(chunk(0)), "multipart/form-data");
  check(make_form(chunk(0)), "multipart/mixed; boundary=xxboundaryxx");
  check(make_form(chunk(0)), "multipart/form-data; boundary=other");
  check(make_form(chunk(0)).substr(0, 900'000), form_type);
  check("--xxboundaryxx--\r\n", form_type);
  check("--xxboundaryxx\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--xxboundaryxx--\r\n", form_type);
  check("--xxboundaryxx\r\nContent-Disposition: form-data; name=\"chunk\"\r\n\r\nx\r\n--xxboundaryxx\r\n"
        "Content-Disposition: form-data; name=\"chunk\"\r\n\r\nx\r\n--xxboundaryxx--\r\n",
        form_type);
  CHECK(video()["received_chunks"] == 0);
  finish();
}

TEST_CASE_METHOD(fixture, "a connection that is lost within a chunk leaves its place free") {
  for (const bool form : {false, true}) {
    client sender{server.port()};
    sender.write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n", path(0), chunk_size,
                             form ? "Content-Type: multipart/form-data; boundary=xxboundaryxx\r\n" : ""));
    sender.write((form ? make_form(chunk(0)) : std::string(chunk_size, 'x')).substr(0, 700'000));
    sender.close();
  }
  CHECK(server.wait_for_connections(1));
  CHECK(video()["received_chunks"] == 0);
  finish();
}

TEST_CASE_METHOD(fixture, "a body that is longer than it said is another request") {
  connection.write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", path(0), chunk_size));
  connection.write(chunk(0) + "and more\r\n\r\n");
  CHECK(connection.read_response().result() == status::ok);
  const auto response = connection.read_response();
  CHECK(response.result() == status::bad_request);
  CHECK_FALSE(detail_of(response).empty());
  CHECK(connection.is_closed());
  connection.connect();
}

TEST_CASE_METHOD(fixture, "the 4xx reaches a client that sends all of a large body before it reads") {
  const std::string large(60'000'000, 'x');
  for (const auto& target : {path(99), std::string{"/videos/upload_chunk/nonsense/0"}, std::string{"/nowhere"}}) {
    client sender{server.port()};
    const auto response = sender.post(target, large);
    CHECK((response.result() == status::bad_request || response.result() == status::not_found));
    CHECK_FALSE(detail_of(response).empty());
    CHECK_FALSE(response.keep_alive());
  }
}

TEST_CASE("the limit of a chunk holds with and without a length") {
  fixture it{[](server_config& config) { config.limits.chunk = 300'000; }};
  for (const bool form : {false, true}) {
    client sender{it.server.port()};
    const auto response =
        form ? sender.post(it.path(0), make_form(it.chunk(0)), form_type) : sender.post(it.path(0), it.chunk(0));
    CHECK(response.result() == status::payload_too_large);
    CHECK_FALSE(detail_of(response).empty());
  }
  client sender{it.server.port()};
  sender.write("POST " + it.path(0) + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  sender.write(fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", it.chunk_size, it.chunk(0)));
  CHECK(sender.read_response().result() == status::payload_too_large);
}

TEST_CASE("a form may not be much larger than a chunk, wherever the bytes are") {
  fixture it{[](server_config& config) { config.limits.chunk = 1'000'000; }};
  const auto field = [](std::string_view name, std::string_view content) {
    return fmt::format("--xxboundaryxx\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", name, content);
  };
  const auto send = [&](std::string_view body) {
    client sender{it.server.port()};
    sender.write(fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                             it.path(2), form_type));
    sender.write_while_taken(fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body));
    return sender.read_response().result();
  };
  const std::string junk(5'000'000, 'x');
  const std::string end = "--xxboundaryxx--\r\n";
  CHECK(send(field("junk", junk) + field("chunk", it.chunk(2)) + end) == status::payload_too_large);
  CHECK(send(junk + "\r\n" + field("chunk", it.chunk(2)) + end) == status::payload_too_large);
  CHECK(send(field("chunk", it.chunk(2)) + end + junk) == status::payload_too_large);
  CHECK(it.video()["received_chunks"] == 0);
  CHECK(send(field("comment", "hello") + field("chunk", it.chunk(2)) + end) == status::ok);
}

TEST_CASE_METHOD(fixture, "a chunk that is there already must have its size when it comes again") {
  REQUIRE(connection.post(path(2), chunk(2)).result() == status::ok);
  for (const auto& wrong : {chunk(2).substr(1), chunk(2) + "x"}) {
    CHECK(connection.post(path(2), wrong).result() == status::bad_request);
    const auto response = connection.post(path(2), make_form(wrong), form_type);
    CHECK(response.result() == status::bad_request);
    CHECK(detail_of(response).find("500000") != std::string::npos);
  }
  CHECK(connection.post(path(2), make_form(chunk(2)), form_type).result() == status::ok);
  finish();
}

TEST_CASE_METHOD(fixture, "an upload is deleted with its file") {
  REQUIRE(connection.post(path(0), chunk(0)).result() == status::ok);
  auto response = connection.send(make_request(verb::delete_, "/videos/" + hash));
  CHECK(response.result() == status::no_content);
  CHECK(response.body().empty());
  CHECK(connection.get("/videos/" + hash).result() == status::not_found);
  CHECK_FALSE(std::filesystem::exists(server.data() / "uploads" / hash));
  CHECK(connection.post(path(0), chunk(0)).result() == status::not_found);
  CHECK(connection.send(make_request(verb::delete_, "/videos/" + hash)).result() == status::not_found);
}

TEST_CASE("init refuses what can't be an upload") {
  live_server server;
  client connection{server.port()};
  const json good{{"title", "t"}, {"total_chunks", 2}, {"file_size", 100}};
  const auto with = [&](const char* name, json value) {
    auto changed = good;
    changed[name] = std::move(value);
    return connection.post_json("/videos/init", changed);
  };
  CHECK(with("title", 5).result() == status::unprocessable_entity);
  CHECK(with("file_size", 0).result() == status::bad_request);
  CHECK(with("total_chunks", 0).result() == status::bad_request);
  CHECK(with("total_chunks", 101).result() == status::bad_request);
  CHECK(with("chunk_size", 7).result() == status::bad_request);
  CHECK(with("file_size", 6'000'000'000).result() == status::payload_too_large);
  CHECK(with("title", std::string(2'000'000, 'x')).result() == status::payload_too_large);
  connection.connect();
  CHECK_FALSE(detail_of(connection.post("/videos/init", "{\"title\": ")).empty());
  CHECK(connection.get("/videos").body() == "[]");
  const auto begun = json_of(with("unknown", json::object()));
  CHECK(begun["status"] == "uploading");
  CHECK(json_of(connection.get("/videos/")).size() == 1);
}

TEST_CASE("chunks whose size was not said find their places") {
  live_server server;
  client connection{server.port()};
  const auto content = make_content(250'000);
  const auto begun = json_of(
      connection.post_json("/videos/init", {{"title", "t"}, {"total_chunks", 3}, {"file_size", content.size()}}));
  const std::string hash = begun["video_hash"];
  for (const int index : {2, 0, 1}) {
    const auto response =
        connection.post(fmt::format("/videos/upload_chunk/{}/{}", hash, index),
                        make_form(content.substr(static_cast<std::size_t>(index) * 100'000, 100'000)), form_type);
    CHECK(response.result() == status::ok);
  }
  CHECK(connection.post("/videos/finalize/" + hash, "").result() == status::ok);
  std::ifstream file{server.data() / "uploads" / hash / "source", std::ios::binary};
  CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == content);
}
