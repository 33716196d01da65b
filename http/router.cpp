#include "http/router.hpp"

#include <algorithm>

namespace vp::http {

namespace {

bool is_rest(std::string_view part) {
  return part.starts_with("{*");
}
bool is_argument(std::string_view part) {
  return part.starts_with('{');
}

bool fits(const route& way, const target& where) {
  const bool open_end = !way.segments.empty() && is_rest(way.segments.back());
  const auto fixed = way.segments.size() - (open_end ? 1 : 0);
  if (where.segments.size() < fixed || (!open_end && where.segments.size() > fixed))
    return false;
  return std::equal(way.segments.begin(), way.segments.begin() + static_cast<std::ptrdiff_t>(fixed),
                    where.segments.begin(), [](const std::string& part, const std::string& segment) {
                      return is_argument(part) ? !segment.empty() : part == segment;
                    });
}

/// All arguments of a pattern stand side by side, but for a fixed word that may follow the last; so a span is enough.
std::span<const std::string> arguments_of(const route& way, const target& where) {
  const auto first =
      std::find_if(way.segments.begin(), way.segments.end(), [](const std::string& part) { return is_argument(part); });
  return std::span{where.segments}.subspan(static_cast<std::size_t>(first - way.segments.begin()));
}

} // namespace

void router::add(verb method, std::string_view pattern, handler handle) {
  route way{method, std::string{pattern}, handle, {}};
  pattern.remove_prefix(1);
  while (!pattern.empty()) {
    const auto slash = pattern.find('/');
    way.segments.emplace_back(pattern.substr(0, slash));
    pattern.remove_prefix(slash == std::string_view::npos ? pattern.size() : slash + 1);
  }
  routes_.push_back(std::move(way));
}

std::variant<router::found, router::other_method, router::nothing> router::match(verb method,
                                                                                 const target& where) const {
  const auto first = std::find_if(routes_.begin(), routes_.end(), [&](const route& way) { return fits(way, where); });
  if (first == routes_.end())
    return nothing{};
  const auto wanted = method == verb::head ? verb::get : method;
  std::string allow;
  for (const auto& way : routes_) {
    if (way.pattern != first->pattern)
      continue;
    if (way.method == wanted)
      return found{&way, arguments_of(way, where)};
    allow += std::string{beast::http::to_string(way.method)} + ", ";
    if (way.method == verb::get)
      allow += "HEAD, ";
  }
  // That the pattern of everything fits does not say that there is something.
  if (is_rest(first->segments.front()) && method != verb::options)
    return nothing{};
  return other_method{allow + "OPTIONS"};
}

} // namespace vp::http
