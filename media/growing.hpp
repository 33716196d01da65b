#pragma once

#include "media/byte_source.hpp"
#include "media/types.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

/// Files that say what they have as they go, so that the beginning of one is a shorter one.
namespace vp::media {

/// Bytes of a file that `begins_like_growing` looks at.
inline constexpr std::size_t growing_head = 1024;

/// A growing source of so many bytes is what it seems.
inline constexpr std::uint64_t growing_surely = std::uint64_t{16} << 20U;

/// Whether these are the first bytes of a Matroska or WebM file or of an MPEG transport stream.
bool begins_like_growing(std::span<const std::uint8_t> head);

/// Whether an ISO file is in fragments (ISO/IEC 14496-12 section 8.8), which its index says. `index`: where that is.
bool is_fragmented(byte_source& source, byte_range index);

/// How many bytes of a growing source make a file: all, but where it is in fragments only those up to the end of the
/// last whole one.
std::uint64_t usable_size(byte_source& source);

/// The first bytes of a source, which must outlive it.
class beginning final : public byte_source {
public:
  beginning(byte_source& source, std::uint64_t size);

  std::uint64_t size() const noexcept override { return size_; }
  result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;

private:
  byte_source& source_;
  std::uint64_t size_;
};

} // namespace vp::media
