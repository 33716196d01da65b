#include "media/mp4.hpp"
#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <filesystem>

using namespace vp::http;

namespace {

/// Two servers over one data folder, a video in it, and a fragment that is to come.
struct fixture {
  fixture() {
    client sender{one.port()};
    hash = json_of(sender.post_json("/videos/init", {{"title", "a film"}, {"total_chunks", 1}, {"file_size", 3}}))
               .at("video_hash");
    REQUIRE(sender.post(fmt::format("/videos/upload_chunk/{}/0", hash), "abc").result() == status::ok);
    REQUIRE(sender.post("/videos/finalize/" + hash, "").result() == status::ok);
    path = fmt::format("/media/uploads/{}/media/360p-0123abcd/7.m4s", hash);
    const auto styp = vp::media::fragment_head();
    head.assign(styp.begin(), styp.end());
  }

  /// Asks for the fragment, which is being made at the one; what comes of it at once.
  std::string begin_to_watch(client& viewer) {
    one.begin_work();
    one.claim(hash, one.url());
    viewer.write(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path));
    return viewer.read_until(head);
  }

  void make_fragment() {
    const auto file = std::filesystem::path{"uploads"} / hash / "media/360p-0123abcd/7.m4s";
    folder.write(file, head + rest);
    one.grant_wishes();
  }

  /// The wishes at the one that works, once there are so many, or one is taken back.
  template <class Condition>
  std::vector<live_server::wish> wait_for_wishes(Condition enough) {
    if (!live_server::wait_until([&] { return enough(one.wishes()); }))
      FAIL("the wishes have not come");
    return one.wishes();
  }

  vp::test::temporary_folder folder;
  live_server one{{}, folder.path()};
  live_server two{{}, folder.path()};
  std::string hash;
  std::string path;
  std::string head;
  const std::string rest = "the rest of it";
};

bool any(const std::vector<live_server::wish>& wishes) {
  return !wishes.empty();
}

bool taken_back(const std::vector<live_server::wish>& wishes) {
  return !wishes.empty() && wishes.front().taken_back;
}

} // namespace

TEST_CASE_METHOD(fixture, "a fragment that is to come is answered at once, by any of two servers", "[late_fragment]") {
  client viewer{GENERATE(true, false) ? one.port() : two.port()};
  const auto begun = begin_to_watch(viewer);
  CHECK(begun.starts_with("HTTP/1.1 200 "));
  CHECK(begun.find("Transfer-Encoding: chunked") != std::string::npos);
  const auto wishes = wait_for_wishes(any);
  REQUIRE(wishes.size() == 1);
  CHECK(wishes[0].what.video_hash == hash);
  CHECK(wishes[0].what.rendition == "360p-0123abcd");
  CHECK(wishes[0].what.segment == 7);
  CHECK(wishes[0].what.viewer == "127.0.0.1");
  CHECK_FALSE(wishes[0].taken_back);
  make_fragment();
  CHECK(viewer.read_until("0\r\n\r\n").find(rest) != std::string::npos);
  wait_for_wishes(taken_back);
  // From now on it is a file.
  CHECK(viewer.get(path).body() == head + rest);
}

TEST_CASE_METHOD(fixture, "a wish ends with its viewer, at any of two servers", "[late_fragment]") {
  client viewer{GENERATE(true, false) ? one.port() : two.port()};
  begin_to_watch(viewer);
  wait_for_wishes(any);
  viewer.close();
  wait_for_wishes(taken_back);
}

TEST_CASE_METHOD(fixture, "viewers of another server are told apart", "[late_fragment]") {
  one.begin_work();
  client viewer{one.port()};
  const auto* const fields = GENERATE("X-Vidpipeline-Forwarded: 1\r\n", "");
  viewer.write(
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nX-Vidpipeline-Viewer: 10.1.2.3\r\n{}\r\n", path, fields));
  viewer.read_until(head);
  CHECK(wait_for_wishes(any)[0].what.viewer == (*fields == '\0' ? "127.0.0.1" : "10.1.2.3"));
}

TEST_CASE_METHOD(fixture, "a fragment that does not come after all is broken off", "[late_fragment]") {
  client viewer{GENERATE(true, false) ? one.port() : two.port()};
  begin_to_watch(viewer);
  wait_for_wishes(any);
  one.grant_wishes(); // and nothing on the disk
  const auto end = viewer.read_to_end();
  REQUIRE(end);
  CHECK(end->find("0\r\n\r\n") == std::string::npos);
}

TEST_CASE_METHOD(fixture, "what nobody makes is not there", "[late_fragment]") {
  client viewer{GENERATE(true, false) ? one.port() : two.port()};
  CHECK(viewer.get(path).result() == status::not_found);
  CHECK(one.wishes().empty());
}
