#include "nodes/passes.hpp"

#include <sodium.h>

#include <cstdlib>

namespace vp::nodes {

static_assert(crypto_generichash_KEYBYTES == 32);

passes::passes() {
  if (sodium_init() < 0)
    std::abort(); // there is no randomness on this machine
  randombytes_buf(key_.data(), key_.size());
}

std::string passes::pass_for(std::string_view name) const {
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  std::array<char, 2 * hash.size() + 1> text{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(name.data()), name.size(),
                     key_.data(), key_.size());
  sodium_bin2hex(text.data(), text.size(), hash.data(), hash.size());
  return text.data();
}

bool passes::good(std::string_view name, std::string_view pass) const {
  const auto right = pass_for(name);
  return pass.size() == right.size() && sodium_memcmp(pass.data(), right.data(), right.size()) == 0;
}

} // namespace vp::nodes
