#pragma once

#include "media/byte_source.hpp"
#include "media/types.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vp::media {

/// Where the index (`moov`) of an ISO file is, found while the file arrives in whatever order: goes along the boxes at
/// the top level (ISO/IEC 14496-12 section 4.2), of which it wants nothing but the headers.
class index_finder {
public:
  enum class outcome : std::uint8_t { searching, found, none };

  /// `size`: of the whole file.
  explicit index_finder(std::uint64_t size);

  outcome state() const noexcept { return state_; }

  /// The bytes to look at next, at most 16; only while it searches.
  byte_range wanted() const noexcept { return wanted_; }

  /// What was wanted, whole.
  void take(std::span<const std::uint8_t> bytes);

  /// The index with its header, once it is found.
  byte_range index() const noexcept { return index_; }

private:
  void go_to(std::uint64_t offset);

  std::uint64_t size_;
  outcome state_ = outcome::searching;
  byte_range wanted_;
  byte_range index_;
  std::uint32_t boxes_ = 0;
};

/// The index of a file that is all there; nothing where it has none.
std::optional<byte_range> find_index(byte_source& source);

} // namespace vp::media
