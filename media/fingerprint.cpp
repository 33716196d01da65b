#include "media/fingerprint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace vp::media {

void fingerprint::add(const AVStream& stream) {
  const auto& p = *stream.codecpar;
  const auto& layout = p.ch_layout;
  add_numbers({stream.index, p.codec_id, p.codec_tag, p.format, p.bits_per_coded_sample, p.block_align, p.color_range,
               p.color_primaries, p.color_trc, p.color_space, p.sample_rate, layout.order, layout.nb_channels,
               layout.order == AV_CHANNEL_ORDER_NATIVE ? static_cast<std::int64_t>(layout.u.mask) : 0,
               p.extradata_size});
  add_bytes(p.extradata, p.extradata_size);
}

void fingerprint::add(const AVPacket& packet) {
  add_numbers({packet.stream_index, packet.pts, packet.duration, packet.size});
  add_bytes(packet.data, packet.size);
}

void fingerprint::add(std::span<const std::uint8_t> bytes) {
  crypto_generichash_update(&state_, bytes.data(), bytes.size());
}

void fingerprint::add(std::string_view text) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

std::string fingerprint::hex() {
  std::array<unsigned char, size> digest{};
  crypto_generichash_final(&state_, digest.data(), digest.size());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

void fingerprint::add_numbers(std::initializer_list<std::int64_t> numbers) {
  crypto_generichash_update(&state_, reinterpret_cast<const unsigned char*>(numbers.begin()),
                            numbers.size() * sizeof(std::int64_t));
}

void fingerprint::add_bytes(const std::uint8_t* data, int count) {
  if (count > 0)
    add(std::span(data, static_cast<std::size_t>(count)));
}

} // namespace vp::media
