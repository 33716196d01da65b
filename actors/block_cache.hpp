#pragma once

#include "actors/bytes.hpp"
#include "actors/messages.hpp"
#include "media/byte_source.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace vp {

/// Blocks of sources that were fetched over a link, the least recently used given up first. Where FFmpeg's thread,
/// which reads, and the actor that fetches meet: a read of what is not there waits, until its block comes, its task is
/// aborted, or its time is up. A block is `piece_size` bytes, the last one of a source fewer.
class block_cache {
public:
  using clock = std::chrono::steady_clock;

  /// Which block of which source: the source's version and the block's index.
  using key = std::pair<std::uint64_t, std::uint64_t>;

  /// `limit`: bytes. `want` is called by readers, for every block that they come to, before they wait for it.
  block_cache(std::size_t limit, std::function<void(key)> want) : limit_(limit), want_(std::move(want)) {}

  // -- for the actor that fetches

  /// A task begins; its reads may wait until then.
  void begin(clock::time_point deadline);
  /// Reads fail from now on, until the next task begins.
  void abort(error why);
  void put(key which, bytes block);
  bool has(key which) const;
  /// Whether a reader waits for this block.
  bool awaits(key which) const;

  // -- for readers

  /// At most `into.size()` bytes of a source of this size, from `offset`; fewer is no error.
  result<std::size_t> read(std::uint64_t version, std::uint64_t size, std::uint64_t offset,
                           std::span<std::uint8_t> into);

private:
  struct entry {
    key which;
    bytes block;
  };

  const std::size_t limit_;
  const std::function<void(key)> want_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<entry> entries_; ///< the most recently used first
  std::map<key, std::list<entry>::iterator> index_;
  std::size_t held_ = 0; ///< bytes
  clock::time_point deadline_{};
  std::optional<error> aborted_;
  std::optional<key> awaited_;
  std::optional<key> last_; ///< that a reader came to
};

/// A source that is read through a cache.
std::unique_ptr<media::byte_source> open_cached(std::shared_ptr<block_cache> cache, const source_ref& where);

} // namespace vp
