#include "actors/block_cache.hpp"
#include "actors/source_feed.hpp"
#include "tests/actors/fixture.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

using namespace vp;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t version = 7;
constexpr std::uint64_t size_of_source = 40 * piece_size + 100;
const auto soon = [] { return block_cache::clock::now() + 20s; };

std::uint8_t byte_at(std::uint64_t offset) {
  return static_cast<std::uint8_t>(offset * 31 / 7);
}

bytes make_block(std::uint64_t index) {
  const auto begin = index * piece_size;
  bytes::buffer block(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size_of_source - begin)));
  for (std::size_t i = 0; i < block.size(); ++i)
    block[i] = byte_at(begin + i);
  return bytes{std::move(block)};
}

/// A cache of four blocks, and what was wanted of it.
struct cache_fixture {
  std::vector<block_cache::key> wanted;
  std::mutex mutex;
  std::shared_ptr<block_cache> cache = std::make_shared<block_cache>(4 * piece_size, [this](block_cache::key which) {
    const std::lock_guard lock{mutex};
    wanted.push_back(which);
    if (at_once)
      cache->put(which, make_block(which.second));
  });
  bool at_once = true;

  /// Reads 100 bytes.
  result<std::vector<std::uint8_t>> read(std::uint64_t offset) {
    std::vector<std::uint8_t> into(100);
    auto got = cache->read(version, size_of_source, offset, into);
    if (!got)
      return tl::unexpected(got.error());
    into.resize(*got);
    return into;
  }

  static bool right(const std::vector<std::uint8_t>& read, std::uint64_t offset) {
    for (std::size_t i = 0; i < read.size(); ++i)
      if (read[i] != byte_at(offset + i))
        return false;
    return true;
  }
};

} // namespace

TEST_CASE_METHOD(cache_fixture, "a cache has the bytes of the source, at any place", "[block_cache]") {
  cache->begin(soon());
  for (const std::uint64_t offset : {std::uint64_t{0}, 5 * piece_size - 50, 5 * piece_size, size_of_source - 100}) {
    const auto got = read(offset);
    REQUIRE(got);
    CHECK(right(*got, offset));
    CHECK(got->size() == (offset == 5 * piece_size - 50 ? 50 : 100)); // no read reaches into another block
  }
  CHECK(read(size_of_source)->empty());
  CHECK(read(size_of_source - 10)->size() == 10);
}

TEST_CASE_METHOD(cache_fixture, "a cache gives up what was used longest ago", "[block_cache]") {
  cache->begin(soon());
  for (const std::uint64_t block : {0, 1, 2, 3, 0, 4})
    REQUIRE(read(block * piece_size));
  CHECK(cache->has({version, 0}));
  CHECK_FALSE(cache->has({version, 1}));
  CHECK(cache->has({version, 4}));
  CHECK_FALSE(cache->has({version + 1, 0})); // of another start of the video nothing is known
}

TEST_CASE_METHOD(cache_fixture, "a read that waits ends with its block, its task or its time", "[block_cache]") {
  at_once = false;
  SECTION("its block") {
    cache->begin(soon());
    auto reading = std::async(std::launch::async, [&] { return read(0); });
    while (!cache->awaits({version, 0}))
      std::this_thread::yield();
    cache->put({version, 1}, make_block(1));
    cache->put({version, 0}, make_block(0));
    const auto got = reading.get();
    REQUIRE(got);
    CHECK(right(*got, 0));
    CHECK_FALSE(cache->awaits({version, 0}));
  }
  SECTION("its task, and the next one reads again") {
    cache->begin(soon());
    auto reading = std::async(std::launch::async, [&] { return read(0); });
    while (!cache->awaits({version, 0}))
      std::this_thread::yield();
    cache->abort({errc::cancelled, "cancelled"});
    CHECK(reading.get().error() == error{errc::cancelled, "cancelled"});
    CHECK(read(piece_size).error().code == errc::cancelled);
    at_once = true;
    cache->begin(soon());
    CHECK(read(piece_size));
  }
  SECTION("its time, which says nothing about the source") {
    cache->begin(block_cache::clock::now() + 50ms);
    CHECK(read(0).error().code == errc::io_failed);
  }
}

namespace {

/// The server's end of a link: answers as the test says.
struct feed_fixture : test::actor_fixture {
  std::vector<std::uint64_t> asked; ///< offsets
  std::vector<std::uint64_t> tasks;
  bool silent = false;
  std::optional<error> refusal;

  slot_link_actor slot = spawn([this](slot_link_actor::pointer who) -> slot_link_actor::behavior_type {
    return {
        [this, who](read_atom, std::uint64_t task, std::uint64_t offset, std::uint32_t) -> caf::result<bytes> {
          asked.push_back(offset);
          tasks.push_back(task);
          if (silent)
            return who->make_response_promise<bytes>();
          if (refusal)
            return to_caf(*std::exchange(refusal, std::nullopt));
          return make_block(offset / piece_size);
        },
        [](result_atom, std::uint64_t, const bytes&) {},
        [](end_atom, std::uint64_t) {},
        [](fail_atom, std::uint64_t, const caf::error&) {},
        [](drain_atom) {},
    };
  });
  std::shared_ptr<block_cache> cache =
      std::make_shared<block_cache>(32 * piece_size, [this](block_cache::key which) { wanted = which; });
  std::optional<block_cache::key> wanted;
  source_feed_actor feed = spawn(source_feed, slot, cache);

  feed_fixture() { begin(1); }

  void begin(std::uint64_t task) {
    cache->begin(soon());
    self->send(feed, begin_atom_v, task, source_ref{"", "", size_of_source, version});
    run();
  }

  void come_to(std::uint64_t block) {
    self->send(feed, read_atom_v, version, block);
    run();
  }

  /// A reader that waits for a block in a thread of its own, as FFmpeg's does.
  std::future<result<std::size_t>> read(std::uint64_t block) {
    auto reading = std::async(std::launch::async, [this, block] {
      std::vector<std::uint8_t> into(10);
      return cache->read(version, size_of_source, block * piece_size, into);
    });
    while (!cache->awaits({version, block}))
      std::this_thread::yield();
    return reading;
  }
};

} // namespace

TEST_CASE_METHOD(feed_fixture, "a feed reads ahead where its reader goes on", "[source_feed]") {
  come_to(0);
  CHECK(asked.size() == 1);
  come_to(1);
  come_to(2);
  CHECK(cache->has({version, 5}));
  come_to(20); // it jumps
  CHECK(cache->has({version, 20}));
  CHECK_FALSE(cache->has({version, 21}));
  come_to(40);
  CHECK(cache->has({version, 40}));
  CHECK(std::count(asked.begin(), asked.end(), 41 * piece_size) == 0); // there is no more
  const std::set<std::uint64_t> once(asked.begin(), asked.end());
  CHECK(once.size() == asked.size());
}

TEST_CASE_METHOD(feed_fixture, "a block that does not come in time is no verdict on the source", "[source_feed]") {
  silent = true;
  auto reading = read(3);
  come_to(3);
  advance(61s);
  CHECK(reading.get().error().code == errc::io_failed);
}

TEST_CASE_METHOD(feed_fixture, "a feed asks again for what the task before had asked for", "[source_feed]") {
  refusal = error{errc::stale, "this task has ended"};
  begin(2);
  auto reading = read(3);
  come_to(3);
  CHECK(reading.get());
  CHECK(asked == std::vector<std::uint64_t>(2, 3 * piece_size));
}

TEST_CASE_METHOD(feed_fixture, "a feed tells its reader why there is nothing more", "[source_feed]") {
  refusal = error{errc::not_found, "the source is gone"};
  auto reading = read(3);
  come_to(3);
  CHECK(reading.get().error() == error{errc::not_found, "the source is gone"});
}

TEST_CASE_METHOD(feed_fixture, "a feed fetches nothing of a source that is no longer read", "[source_feed]") {
  self->send(feed, read_atom_v, version + 1, std::uint64_t{0});
  run();
  CHECK(asked.empty());
}
