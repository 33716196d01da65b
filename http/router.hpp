#pragma once

#include "http/reply.hpp"
#include "http/target.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vp::http {

struct exchange;

using handler = asio::awaitable<reply> (*)(exchange&);

/// One method on one pattern. `{name}` stands for a segment, `{*name}` at the end for any number of them, none
/// included. `GET` answers `HEAD` too.
struct route {
  verb method = verb::get;
  std::string pattern;
  handler handle = nullptr;
  std::vector<std::string> segments; ///< of the pattern
};

/// The table of all routes. The first pattern that fits a path counts, with all its methods.
class router {
public:
  void add(verb method, std::string_view pattern, handler handle);

  struct found {
    const route* way = nullptr;
    std::span<const std::string> arguments; ///< segments of the target, from the first that stands for a `{...}`
  };
  /// The path is there, the method is not: what an `Allow` says.
  struct other_method {
    std::string allow;
  };
  struct nothing {};

  std::variant<found, other_method, nothing> match(verb method, const target& where) const;

  const std::vector<route>& routes() const { return routes_; }

private:
  std::vector<route> routes_;
};

} // namespace vp::http
