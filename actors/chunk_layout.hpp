#pragma once

#include "media/error.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

namespace vp {

/// How a file of known size lies in a known number of chunks: all of one size `s` but the last, so (n - 1) * s < size
/// <= n * s. Where the client doesn't say `s`, the size of any one chunk tells it.
class chunk_layout {
public:
  chunk_layout() = default;
  chunk_layout(std::uint64_t file_size, std::uint32_t chunks) : file_size_(file_size), chunks_(chunks) {}

  /// The smallest and the largest `s` that there can be; empty if the first exceeds the second.
  std::uint64_t smallest() const { return (file_size_ + chunks_ - 1) / chunks_; }
  std::uint64_t largest() const { return chunks_ == 1 ? file_size_ : (file_size_ - 1) / (chunks_ - 1); }

  bool possible() const { return chunks_ > 0 && file_size_ > 0 && smallest() <= largest(); }
  bool fits(std::uint64_t s) const { return s >= smallest() && s <= largest(); }

  bool is_last(std::uint32_t index) const { return index + 1 == chunks_; }
  std::uint64_t offset(std::uint32_t index, std::uint64_t s) const { return index * s; }
  std::uint64_t size(std::uint32_t index, std::uint64_t s) const {
    return is_last(index) ? file_size_ - offset(index, s) : s;
  }

  /// The most that a chunk can have while `s` is unknown.
  std::uint64_t largest_size(std::uint32_t index) const {
    return is_last(index) ? file_size_ - (chunks_ - 1) * smallest() : largest();
  }

  /// The `s` that follows from a chunk of this size at this index; `invalid_request` if there is none.
  result<std::uint64_t> chunk_size_from(std::uint32_t index, std::uint64_t size) const {
    if (chunks_ > 1 && is_last(index)) {
      auto rest = size <= file_size_ ? file_size_ - size : 0;
      if (rest % (chunks_ - 1) == 0 && fits(rest / (chunks_ - 1)) && this->size(index, rest / (chunks_ - 1)) == size)
        return rest / (chunks_ - 1);
    } else if (fits(size)) {
      return size;
    }
    return fail(errc::invalid_request, "chunk " + std::to_string(index) + " has " + std::to_string(size)
                                           + " bytes, which can't be in a file of " + std::to_string(file_size_)
                                           + " bytes in " + std::to_string(chunks_) + " chunks");
  }

private:
  std::uint64_t file_size_ = 0;
  std::uint32_t chunks_ = 0;
};

} // namespace vp
