#include "actors/segmenter.hpp"
#include "media/manifest.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <fstream>
#include <sys/mount.h>

using namespace vp;
namespace fs = std::filesystem;

namespace {

const auto hash = test::hash_of('a');

struct segmenter_fixture : test::actor_fixture {
  test::temporary_folder where;
  data_folder folder{where.path()};
  media::analysis analysis = test::make_analysis(4);
  segmenter_actor segmenter = start();

  segmenter_actor start() { return spawn(vp::segmenter, folder, hash); }

  segment_result result_of(std::uint32_t number) const {
    const auto& cell = analysis.segments.at(number);
    return test::make_result(
        {{hash, "", 1}, analysis.plan, cell, ids_of(analysis.plan, renditions_in(analysis.plan, cell))});
  }

  std::vector<stored_fragment> store(std::uint32_t number) {
    auto stored = ask<std::vector<stored_fragment>>(segmenter, store_atom_v, result_of(number));
    REQUIRE(stored);
    return *stored;
  }

  result<std::vector<stored_fragment>> open(const media::analysis& what, std::vector<stored_fragment> known = {}) {
    return ask<std::vector<stored_fragment>>(segmenter, open_atom_v, what, std::move(known));
  }

  /// As a job is opened that an earlier start has planned.
  media::analysis continued() const { return {analysis.plan, analysis.segments, {}}; }

  static std::string content(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  std::size_t files_under(const fs::path& path) const {
    std::size_t count = 0;
    for (auto& entry : fs::recursive_directory_iterator{path})
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
};

} // namespace

TEST_CASE_METHOD(segmenter_fixture, "a segmenter writes everything under its final name", "[segmenter]") {
  REQUIRE(open(analysis));
  for (auto& rendition : analysis.plan.renditions)
    CHECK(content(folder.media(hash, rendition.id) / media::init_name()) == "init");
  // Before anything is there, the manifests say what will be.
  const auto promised = content(folder.hls(hash) / "720p.m3u8");
  for (std::uint32_t i = 0; i < 4; ++i)
    CHECK(promised.find(media::fragment_name(i)) != std::string::npos);
  CHECK(promised.find("#EXT-X-ENDLIST") != std::string::npos);
  for (std::uint32_t i = 0; i < 4; ++i)
    for (auto& x : store(i)) {
      CHECK(x.segment == i);
      CHECK(fs::file_size(folder.media(hash, x.rendition) / media::fragment_name(i)) == x.size);
    }
  const auto picture = ask<std::vector<stored_fragment>>(
      segmenter, store_atom_v,
      segment_result{hash, 1, {{std::string{media::poster_id}, 1, 0, 0, 1, bytes{{'j', 'p', 'g'}}}}, 0});
  REQUIRE(picture);
  CHECK(picture->size() == 1);
  CHECK(content(folder.poster(hash)) == "jpg");
  REQUIRE(ask<void>(segmenter, finish_atom_v));
  CHECK(content(folder.hls(hash) / "playlist.m3u8").starts_with("#EXTM3U"));
  for (auto& rendition : analysis.plan.renditions)
    CHECK(content(folder.hls(hash) / (rendition.name + ".m3u8")).find("#EXT-X-ENDLIST") != std::string::npos);
  CHECK(content(folder.dash(hash) / "manifest.mpd").find("<MPD") != std::string::npos);
  // 3 renditions with an init segment, 4 fragments and a playlist each, the two manifests and the poster.
  CHECK(files_under(folder.video(hash)) == 3 * 6 + 3);
}

TEST_CASE_METHOD(segmenter_fixture, "the manifests of a video that grows follow it", "[segmenter]") {
  const auto whole = analysis;
  analysis.segments.resize(2);
  analysis.plan.seen = 65536;
  REQUIRE(open(analysis));
  const auto playlist = [&] { return content(folder.hls(hash) / "720p.m3u8"); };
  CHECK(playlist().find(media::fragment_name(1)) != std::string::npos);
  CHECK(playlist().find("#EXT-X-ENDLIST") == std::string::npos);
  store(0);
  auto longer = whole;
  longer.segments.resize(3);
  longer.plan.seen = 2 * 65536;
  REQUIRE(ask<void>(segmenter, grow_atom_v, longer));
  CHECK(playlist().find(media::fragment_name(2)) != std::string::npos);
  CHECK(content(folder.dash(hash) / "manifest.mpd").find("dynamic") != std::string::npos);
  auto other = longer;
  other.plan.renditions.front().id = "720p-0000beef";
  CHECK(ask<void>(segmenter, grow_atom_v, other).error().code == errc::stale);
  // Nothing is forgotten of what was stored before.
  analysis = whole;
  REQUIRE(ask<void>(segmenter, grow_atom_v, whole));
  CHECK(playlist().find("#EXT-X-ENDLIST") != std::string::npos);
  for (std::uint32_t i = 1; i < 4; ++i)
    store(i);
  REQUIRE(ask<void>(segmenter, finish_atom_v));
}

TEST_CASE_METHOD(segmenter_fixture, "segments may come twice and in any order", "[segmenter]") {
  REQUIRE(open(analysis));
  for (auto number : {2U, 0U, 3U, 0U, 1U, 2U})
    store(number);
  REQUIRE(ask<void>(segmenter, finish_atom_v));
  auto playlist = content(folder.hls(hash) / "720p.m3u8");
  REQUIRE(ask<void>(segmenter, finish_atom_v));
  CHECK(content(folder.hls(hash) / "720p.m3u8") == playlist);
  std::size_t last = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    auto at = playlist.find(media::fragment_name(i));
    REQUIRE(at != std::string::npos);
    CHECK(at >= last);
    last = at;
  }
}

TEST_CASE_METHOD(segmenter_fixture, "a job is continued from the files that are really there", "[segmenter]") {
  REQUIRE(open(analysis));
  std::vector<stored_fragment> known;
  for (std::uint32_t i = 0; i < 3; ++i)
    for (auto& x : store(i))
      known.push_back(x);
  auto& lost = known.at(0);
  auto& torn = known.at(4);
  fs::remove(folder.media(hash, lost.rendition) / media::fragment_name(lost.segment));
  fs::resize_file(folder.media(hash, torn.rendition) / media::fragment_name(torn.segment), 3);
  known.push_back({"1080p-00000000", 0, 0, 1, 10}); // Of another plan.

  segmenter = start();
  auto there = open(continued(), known);
  REQUIRE(there);
  CHECK(there->size() == 7);
  CHECK(std::find(there->begin(), there->end(), lost) == there->end());
  CHECK(std::find(there->begin(), there->end(), torn) == there->end());
  // What is missing is noticed.
  auto early = ask<void>(segmenter, finish_atom_v);
  REQUIRE_FALSE(early);
  CHECK(early.error().code == errc::conflict);
  for (std::uint32_t i = 0; i < 4; ++i)
    store(i);
  CHECK(ask<void>(segmenter, finish_atom_v));
}

TEST_CASE_METHOD(segmenter_fixture, "a missing init segment means that the source has to be analyzed anew",
                 "[segmenter]") {
  auto nothing = open(continued());
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == errc::not_found);
  REQUIRE(open(analysis));
  CHECK(open(continued()));
}

TEST_CASE_METHOD(segmenter_fixture, "fragments of an earlier plan go when the new manifests are there", "[segmenter]") {
  auto old = folder.media(hash, "720p-00000001");
  fs::create_directories(old);
  std::ofstream{old / "0.m4s"} << "old";
  REQUIRE(open(analysis));
  for (std::uint32_t i = 0; i < 4; ++i)
    store(i);
  CHECK(fs::exists(old));
  REQUIRE(ask<void>(segmenter, finish_atom_v));
  CHECK_FALSE(fs::exists(old));
  CHECK(fs::exists(folder.media(hash, analysis.plan.renditions[0].id)));
}

TEST_CASE_METHOD(segmenter_fixture, "a segmenter that is not open refuses", "[segmenter]") {
  auto stored = ask<std::vector<stored_fragment>>(segmenter, store_atom_v, result_of(0));
  REQUIRE_FALSE(stored);
  CHECK(stored.error().code == errc::conflict);
  auto finished = ask<void>(segmenter, finish_atom_v);
  REQUIRE_FALSE(finished);
  CHECK(finished.error().code == errc::conflict);
}

TEST_CASE_METHOD(segmenter_fixture, "a rendition without media in some cells is whole without them", "[segmenter]") {
  // Sound that ends before the pictures do.
  analysis.segments[3].audio_end = analysis.segments[3].audio_start;
  REQUIRE(open(analysis));
  for (std::uint32_t i = 0; i < 4; ++i)
    CHECK(store(i).size() == (i < 3 ? 3 : 2));
  REQUIRE(ask<void>(segmenter, finish_atom_v));
  CHECK(content(folder.hls(hash) / "audio.m3u8").find(media::fragment_name(3)) == std::string::npos);
}

TEST_CASE_METHOD(segmenter_fixture, "a full disk is said to be full, and works again when it is not", "[segmenter]") {
  auto small = where.path() / "small";
  fs::create_directories(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=256k") != 0) {
    WARN("no right to mount a small disk: not tested here");
    return;
  }
  struct unmount {
    fs::path path;
    ~unmount() { ::umount(path.c_str()); }
  } at_the_end{small};
  folder = data_folder{small};
  segmenter = start();
  REQUIRE(open(analysis));
  auto large = result_of(0);
  for (auto& x : large.fragments)
    x.data = bytes{std::vector<unsigned char>(200'000, 1)};
  auto stored = ask<std::vector<stored_fragment>>(segmenter, store_atom_v, large);
  CHECK_FALSE(stored);
  CHECK(stored.error().code == errc::disk_full);
  // No half file under any name.
  for (auto& entry : fs::recursive_directory_iterator{small})
    if (entry.path().extension() == ".m4s")
      CHECK(fs::file_size(entry.path()) == 200'000);
  CHECK(store(0).size() == 3);
}
