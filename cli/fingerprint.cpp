#include "cli/fingerprint.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace vp::cli {

namespace {

std::span<std::uint8_t> as_octets(std::span<char> text) {
  return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()};
}

} // namespace

result<std::vector<char>> read_range(media::byte_source& source, std::uint64_t offset, std::uint64_t length) {
  std::vector<char> data(std::min(length, source.size() - std::min(offset, source.size())));
  for (std::size_t done = 0; done < data.size();) {
    auto count = source.read(offset + done, as_octets(std::span{data}.subspan(done)));
    if (!count)
      return tl::unexpected(count.error());
    if (*count == 0)
      return fail(errc::io_failed, "the file has become shorter while it was read");
    done += *count;
  }
  return data;
}

result<std::string> fingerprint(media::byte_source& source) {
  constexpr std::uint64_t edge = 1U << 20U;
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  auto update = [&](std::span<char> data) {
    auto octets = as_octets(data);
    crypto_hash_sha256_update(&state, octets.data(), octets.size());
  };
  for (auto offset : {std::uint64_t{0}, source.size() - std::min(edge, source.size())}) {
    auto data = read_range(source, offset, edge);
    if (!data)
      return tl::unexpected(data.error());
    update(*data);
  }
  auto size = std::to_string(source.size());
  update(size);
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256_final(&state, digest.data());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
  return std::string{hex.data()};
}

} // namespace vp::cli
