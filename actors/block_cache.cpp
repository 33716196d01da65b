#include "actors/block_cache.hpp"

#include "actors/node_interfaces.hpp"

#include <algorithm>
#include <utility>

namespace vp {

namespace {

class cached_source final : public media::byte_source {
public:
  cached_source(std::shared_ptr<block_cache> cache, const source_ref& where)
      : cache_(std::move(cache)), version_(where.version), size_(where.size) {}

  std::uint64_t size() const noexcept override { return size_; }

  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    return cache_->read(version_, size_, offset, into);
  }

private:
  std::shared_ptr<block_cache> cache_;
  std::uint64_t version_;
  std::uint64_t size_;
};

} // namespace

void block_cache::begin(clock::time_point deadline) {
  const std::lock_guard lock{mutex_};
  deadline_ = deadline;
  aborted_.reset();
}

void block_cache::abort(error why) {
  const std::lock_guard lock{mutex_};
  aborted_ = std::move(why);
  changed_.notify_all();
}

void block_cache::put(key which, bytes block) {
  const std::lock_guard lock{mutex_};
  if (index_.contains(which))
    return;
  held_ += block.size();
  entries_.push_front({which, std::move(block)});
  index_[which] = entries_.begin();
  while (held_ > limit_ && entries_.size() > 1) {
    held_ -= entries_.back().block.size();
    index_.erase(entries_.back().which);
    entries_.pop_back();
  }
  if (awaited_ == which)
    changed_.notify_all();
}

bool block_cache::has(key which) const {
  const std::lock_guard lock{mutex_};
  return index_.contains(which);
}

bool block_cache::awaits(key which) const {
  const std::lock_guard lock{mutex_};
  return awaited_ == which;
}

result<std::size_t> block_cache::read(std::uint64_t version, std::uint64_t size, std::uint64_t offset,
                                      std::span<std::uint8_t> into) {
  if (offset >= size || into.empty())
    return std::size_t{0};
  const key which{version, offset / piece_size};
  std::unique_lock lock{mutex_};
  if (last_ != which || !index_.contains(which)) {
    last_ = which;
    awaited_ = which; // before it can come
    lock.unlock();
    want_(which);
    lock.lock();
  }
  const auto there = changed_.wait_until(lock, deadline_, [&] { return aborted_ || index_.contains(which); });
  awaited_.reset();
  if (aborted_)
    return tl::unexpected(*aborted_);
  if (!there)
    return fail(errc::io_failed, "the source did not arrive in time");
  const auto found = index_.at(which);
  entries_.splice(entries_.begin(), entries_, found);
  const auto block = found->block.view();
  const auto begin = static_cast<std::size_t>(offset % piece_size);
  if (begin >= block.size())
    return fail(errc::io_failed, "the source is shorter than it was");
  const auto count = std::min(block.size() - begin, into.size());
  std::copy_n(block.begin() + static_cast<std::ptrdiff_t>(begin), count, into.begin());
  return count;
}

std::unique_ptr<media::byte_source> open_cached(std::shared_ptr<block_cache> cache, const source_ref& where) {
  return std::make_unique<cached_source>(std::move(cache), where);
}

} // namespace vp
