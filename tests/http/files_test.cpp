#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <vector>

using namespace vp::http;

namespace {

const std::string hash(64, 'a');
const std::string fragment = "/media/uploads/" + hash + "/media/720p-0123abcd/1.m4s";

/// A server that has a fragment, a playlist and a secret beside its folder.
struct fixture {
  fixture() {
    const auto uploads = std::filesystem::path{"data/uploads"} / hash;
    server.folder().write(uploads / "media/720p-0123abcd/1.m4s", content);
    server.folder().write(uploads / "hls/playlist.m3u8", "#EXTM3U\n");
    server.folder().write(uploads / "empty.txt", "");
    server.folder().write("secret", "secret");
    server.folder().write("data/secret", "secret");
    std::filesystem::create_symlink(server.folder().path() / "secret", server.folder().path() / uploads / "link.txt");
  }

  response_type get(std::string_view target, field name = field::unknown, std::string_view value = {}) {
    auto request = make_request(verb::get, target);
    if (name != field::unknown)
      request.set(name, {value.data(), value.size()});
    return connection.send(request);
  }

  std::string content = [] {
    std::string bytes;
    for (int i = 0; i < 3'000'000; ++i)
      bytes += static_cast<char>(i * 31 >> 2);
    return bytes;
  }();
  live_server server;
  client connection{server.port()};
};

/// While it lives, this process can open nothing.
class no_more_files {
public:
  no_more_files() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none{1, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~no_more_files() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_more_files(const no_more_files&) = delete;
  no_more_files& operator=(const no_more_files&) = delete;

private:
  rlimit before_{};
};

} // namespace

TEST_CASE_METHOD(fixture, "a fragment is served whole, and never changes") {
  const auto response = get(fragment);
  CHECK(response.result() == status::ok);
  CHECK(response.body() == content);
  CHECK(response[field::content_type] == "video/iso.segment");
  CHECK(response[field::cache_control] == "public, max-age=31536000, immutable");
  CHECK(response[field::accept_ranges] == "bytes");
  CHECK(response["X-Content-Type-Options"] == "nosniff");
  CHECK(response["Access-Control-Allow-Origin"] == "*");
  CHECK(response.count(field::etag) == 1);
  CHECK(response.count(field::last_modified) == 1);
  CHECK(response.count(field::date) == 1);
}

TEST_CASE_METHOD(fixture, "a playlist is asked for again each time") {
  const auto response = get("/media/uploads/" + hash + "/hls/playlist.m3u8");
  CHECK(response.body() == "#EXTM3U\n");
  CHECK(response[field::content_type] == "application/vnd.apple.mpegurl");
  CHECK(response[field::cache_control] == "no-cache");
}

TEST_CASE_METHOD(fixture, "ranges are served from where they begin") {
  auto response = get(fragment, field::range, "bytes=1000000-1999999");
  CHECK(response.result() == status::partial_content);
  CHECK(response[field::content_range] == "bytes 1000000-1999999/3000000");
  CHECK(response.body() == content.substr(1'000'000, 1'000'000));

  response = get(fragment, field::range, "bytes=-5");
  CHECK(response.result() == status::partial_content);
  CHECK(response[field::content_range] == "bytes 2999995-2999999/3000000");
  CHECK(response.body() == content.substr(2'999'995));

  response = get(fragment, field::range, "bytes=3000000-");
  CHECK(response.result() == status::range_not_satisfiable);
  CHECK(response[field::content_range] == "bytes */3000000");
  CHECK_FALSE(detail_of(response).empty());

  response = get(fragment, field::range, "bytes=0-1,5-6");
  CHECK(response.result() == status::ok);
  CHECK(response.body() == content);

  response = get("/media/uploads/" + hash + "/empty.txt", field::range, "bytes=0-");
  CHECK(response.result() == status::range_not_satisfiable);
}

TEST_CASE_METHOD(fixture, "a range counts only for the version that it was asked of") {
  const std::string etag{get(fragment)[field::etag]};
  auto request = make_request(verb::get, fragment);
  request.set(field::range, "bytes=0-9");
  request.set(field::if_range, etag);
  CHECK(connection.send(request).result() == status::partial_content);
  request.set(field::if_range, "\"another\"");
  CHECK(connection.send(request).result() == status::ok);
}

TEST_CASE_METHOD(fixture, "a copy that is still good is not sent again") {
  const auto first = get(fragment);
  const auto by_tag = get(fragment, field::if_none_match, std::string{first[field::etag]});
  CHECK(by_tag.result() == status::not_modified);
  CHECK(by_tag.body().empty());
  CHECK(by_tag[field::etag] == first[field::etag]);
  CHECK(by_tag.count(field::content_length) == 0);
  const auto by_date = get(fragment, field::if_modified_since, std::string{first[field::last_modified]});
  CHECK(by_date.result() == status::not_modified);

  const auto playlist = "/media/uploads/" + hash + "/hls/playlist.m3u8";
  const std::string before{get(playlist)[field::etag]};
  server.folder().write("data/uploads/" + hash + "/hls/new", "#EXTM3U!");
  std::filesystem::rename(server.data() / "uploads" / hash / "hls/new",
                          server.data() / "uploads" / hash / "hls/playlist.m3u8");
  const auto after = get(playlist, field::if_none_match, before);
  CHECK(after.result() == status::ok);
  CHECK(after.body() == "#EXTM3U!");
}

TEST_CASE_METHOD(fixture, "HEAD says what GET would send") {
  const auto whole = get(fragment);
  auto request = make_request(verb::head, fragment);
  auto head = connection.send(request);
  CHECK(head.result() == status::ok);
  CHECK(head[field::content_length] == "3000000");
  CHECK(head[field::etag] == whole[field::etag]);
  CHECK(head.body().empty());
  request.set(field::range, "bytes=5-9");
  head = connection.send(request);
  CHECK(head.result() == status::ok); // a range is for GET alone
  CHECK(head[field::content_length] == "3000000");
  // The connection is still in step.
  CHECK(get("/healthz").result() == status::ok);
  for (const char* target : {"/", "/videos", "/healthz", "/metrics", "/openapi.json"}) {
    CAPTURE(target);
    const auto size = std::to_string(get(target).body().size());
    const auto response = connection.send(make_request(verb::head, target));
    CHECK(response.result() == status::ok);
    if (std::string_view{target} != "/metrics")
      CHECK(response[field::content_length] == size);
  }
}

TEST_CASE_METHOD(fixture, "no path leads out of the data folder") {
  const auto below = "/media/uploads/" + hash;
  for (const std::string& target : {std::string{"/media/uploads/../secret"},
                                    std::string{"/media/uploads/../../secret"},
                                    std::string{"/media/uploads/%2e%2e/secret"},
                                    std::string{"/media/uploads/..%2fsecret"},
                                    std::string{"/media/uploads/..%5csecret"},
                                    std::string{"/media/uploads/%252e%252e/secret"},
                                    std::string{"/media/uploads//etc/passwd"},
                                    std::string{"/media/uploads/./../secret"},
                                    std::string{"/../../../../../../etc/passwd"},
                                    std::string{"/%2e%2e/%2e%2e/etc/passwd"},
                                    std::string{"/media/uploads/%00"},
                                    below + "/hls/playlist.m3u8%00.txt",
                                    below + "/hls/../../../secret",
                                    below + "/link.txt",
                                    below + "/hls",
                                    below + "/hls/",
                                    below,
                                    std::string{"/media/uploads"},
                                    std::string{"/media/uploads/"},
                                    std::string{"/media/secret"},
                                    std::string{"/lib/../../secret"},
                                    "/media/uploads/" + std::string(5000, 'a')}) {
    CAPTURE(target);
    const auto response = get(target);
    CHECK(response.result() == status::not_found);
    CHECK(response.body().find("root:") == std::string::npos);
    CHECK(response[field::cache_control] == "no-store");
    CHECK_FALSE(detail_of(response).empty());
  }
  CHECK(get("/media/uploads/%zz").result() == status::bad_request);
  CHECK(get("/media/uploads/" + hash + "/%68ls/playlist.m3u8").result() == status::ok);
}

TEST_CASE_METHOD(fixture, "pages and their libraries are served") {
  auto response = get("/");
  CHECK(response.result() == status::ok);
  CHECK(response[field::content_type] == "text/html; charset=utf-8");
  CHECK(response[field::cache_control] == "no-cache");
  CHECK(response.body().find("library") != std::string::npos);
  CHECK(get("/index.html?v=1").body() == response.body());
  CHECK(get("/lib/player.mjs")[field::content_type] == "text/javascript; charset=utf-8");
  CHECK(get("/docs").body().find("docs") != std::string::npos);
  CHECK(get("/nothing.html").result() == status::not_found);
}

TEST_CASE_METHOD(fixture, "a file that is deleted while it is read arrives whole") {
  connection.write("GET " + fragment + " HTTP/1.1\r\nHost: x\r\n\r\n");
  connection.read_until("\r\n\r\n");
  std::filesystem::remove_all(server.data() / "uploads" / hash);
  std::string body;
  while (body.size() < content.size())
    body += connection.read_some();
  CHECK(body == content);
}

TEST_CASE_METHOD(fixture, "a file that can't be opened just now is not missing") {
  REQUIRE(get("/healthz").result() == status::ok);
  std::vector<response_type> responses;
  {
    const no_more_files now;
    for (const auto& target : {std::string{"/"}, fragment})
      responses.push_back(get(target));
  }
  for (const auto& response : responses) {
    CHECK(response.result() == status::service_unavailable);
    CHECK(detail_of(response) == "too many open files");
  }
}

TEST_CASE("a server without pages still answers") {
  live_server server{[](server_config& config) { config.client_dir.clear(); }};
  client connection{server.port()};
  CHECK(connection.get("/").result() == status::not_found);
  CHECK(connection.get("/healthz").result() == status::ok);
}
