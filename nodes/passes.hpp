#pragma once

#include <array>
#include <string>
#include <string_view>

namespace vp::nodes {

/// Makes the passes with which workers prove at the gate that they came in by a way that knows their name: from the
/// door, which has seen their certificate, or from the server that started them. A pass is a keyed hash of the name,
/// under a key that never leaves the process; it is good for as long as that lives.
class passes {
public:
  passes();

  std::string pass_for(std::string_view name) const;

  /// In a time that does not depend on how much of it is right.
  bool good(std::string_view name, std::string_view pass) const;

private:
  std::array<unsigned char, 32> key_{};
};

} // namespace vp::nodes
