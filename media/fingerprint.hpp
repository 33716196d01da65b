#pragma once

#include "media/av.hpp"

#include <sodium.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace vp::media {

/// A digest (BLAKE2b of 128 bits) of what tells a source from all others.
class fingerprint {
public:
  fingerprint() { crypto_generichash_init(&state_, nullptr, 0, size); }

  /// What a decoder is told of a stream.
  void add(const AVStream& stream);
  void add(const AVPacket& packet);
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view text);

  /// Of all that was added; nothing may be added behind that.
  std::string hex();

private:
  static constexpr std::size_t size = crypto_generichash_BYTES_MIN;

  void add_numbers(std::initializer_list<std::int64_t> numbers);
  void add_bytes(const std::uint8_t* data, int count);

  crypto_generichash_state state_;
};

} // namespace vp::media
