/// What `vidpipeline` does at a failpoint in the tests' build of it: VIDPIPELINE_FAILPOINT=before-mark:3 kills the
/// process when it comes to `before-mark` for the third time.

#include "actors/failpoint.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace vp {

void failpoint(const char* name) noexcept {
  static const auto* const order = std::getenv("VIDPIPELINE_FAILPOINT");
  static std::atomic<int> left = [] {
    const auto* colon =
        order ? std::char_traits<char>::find(order, std::char_traits<char>::length(order), ':') : nullptr;
    return colon ? std::atoi(colon + 1) : 1;
  }();
  if (!order)
    return;
  const std::string_view text{order};
  if (text.substr(0, text.find(':')) == name && --left == 0)
    std::raise(SIGKILL);
}

} // namespace vp
