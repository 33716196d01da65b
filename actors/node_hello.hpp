#pragma once

#include "actors/messages.hpp"
#include "media/error.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace vp {

/// How a worker introduces itself. As JSON it stays readable whatever else changes between versions: a worker of
/// another one must hear in words why it is refused.
struct node_hello {
  encoder_info where;
  std::string pass;                            ///< for the node's name; see `nodes::passes`
  std::string run;                             ///< names this process among all others
  std::map<std::string, std::string> versions; ///< of what has a say in the bytes; see `media::versions`

  /// The process that was in this slot before.
  struct predecessor {
    std::string run;
    std::string end;     ///< in words
    bool counts = false; ///< it ended by its own doing, which may be its video's fault
  };
  std::optional<predecessor> before;
};

std::string to_text(const node_hello& hello);
/// Error: `invalid_request`.
result<node_hello> parse_hello(std::string_view text);

/// Whether a worker of these versions makes the same bytes as one of `ours`. Error: `conflict`, naming what differs.
result<void> check_versions(const std::map<std::string, std::string>& ours,
                            const std::map<std::string, std::string>& theirs);

} // namespace vp
