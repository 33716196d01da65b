#include "http/file_root.hpp"
#include "http/mime.hpp"
#include "tests/support/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>

using namespace vp;
using namespace vp::http;

namespace {

using path = std::vector<std::string>;

} // namespace

TEST_CASE("a file below the folder is found") {
  const test::temporary_folder folder;
  folder.write("served/a/b.txt", "hello");
  const auto root = file_root::open(folder.path() / "served");
  REQUIRE(root);
  const auto file = root->find(path{"a", "b.txt"});
  REQUIRE(file);
  CHECK(file->size == 5);
}

TEST_CASE("there is no way out of the folder") {
  const test::temporary_folder folder;
  folder.write("secret", "x");
  folder.write("served/inside", "x");
  folder.write("served/.hidden", "x");
  const auto served = folder.path() / "served";
  std::filesystem::create_symlink(folder.path() / "secret", served / "absolute");
  std::filesystem::create_symlink("../secret", served / "relative");
  std::filesystem::create_symlink("..", served / "up");
  std::filesystem::create_symlink("/proc/self/root", served / "magic");
  std::filesystem::create_directory(served / "directory");
  REQUIRE(::mkfifo((served / "fifo").c_str(), 0600) == 0);
  const auto root = file_root::open(served);
  REQUIRE(root);
  const std::vector<path> ways{
      {},
      {"..", "secret"},
      {"absolute"},
      {"relative"},
      {"up", "secret"},
      {"magic", "etc", "passwd"},
      {"../secret"},
      {"/etc/passwd"},
      {"", "etc"},
      {".hidden"},
      {"."},
      {"inside", ".."},
      {"directory"},
      {"fifo"},
      {"no such file"},
      {"inside", "x"},
      {std::string("inside\0x", 8)},
      {std::string(5000, 'a')},
  };
  for (const auto& way : ways) {
    CAPTURE(way);
    const auto file = root->find(way);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == errc::not_found);
  }
  CHECK(root->find(path{"inside"}));
}

TEST_CASE("a folder that is not there can't be served") {
  CHECK_FALSE(file_root::open("/nonexistent/folder"));
}

TEST_CASE("file names have media types") {
  CHECK(mime_type("playlist.m3u8") == "application/vnd.apple.mpegurl");
  CHECK(mime_type("manifest.mpd") == "application/dash+xml");
  CHECK(mime_type("1.m4s") == "video/iso.segment");
  CHECK(mime_type("init.mp4") == "video/mp4");
  CHECK(mime_type("poster.jpg") == "image/jpeg");
  CHECK(mime_type("hls.min.mjs") == "text/javascript; charset=utf-8");
  CHECK(mime_type("source") == "application/octet-stream");
}
