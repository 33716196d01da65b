#pragma once

#include "media/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace vp::media {

/// The bytes of a source, wherever they are. Everything that reads a video reads it through this class.
class byte_source {
public:
  byte_source() = default;
  byte_source(const byte_source&) = delete;
  byte_source& operator=(const byte_source&) = delete;
  virtual ~byte_source() = default;

  /// The whole size in bytes, known from the start.
  virtual std::uint64_t size() const noexcept = 0;

  /// Reads at most `into.size()` bytes from `offset`; fewer is no error, 0 is the end. Safe to call from one thread at
  /// a time.
  virtual result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) = 0;
};

/// A source that is a file on this machine. Errors: `not_found`, `io_failed`.
result<std::unique_ptr<byte_source>> open_file(const std::filesystem::path& path);

} // namespace vp::media
