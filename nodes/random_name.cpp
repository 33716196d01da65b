#include "nodes/random_name.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sodium.h>

#include <array>
#include <cstdlib>

namespace vp::nodes {

std::string random_name() {
  if (sodium_init() < 0)
    std::abort(); // there is no randomness on this machine
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

} // namespace vp::nodes
