#include "actors/error.hpp"

namespace vp {

namespace {

constexpr auto category = caf::atom("vp");

} // namespace

caf::error to_caf(errc code, std::string text) {
  return {static_cast<std::uint8_t>(code), category, caf::make_message(std::move(text))};
}

caf::error to_caf(const error& problem) {
  return to_caf(problem.code, problem.text);
}

bool is_ours(const caf::error& problem) {
  return problem.category() == category;
}

error from_caf(const caf::error& problem) {
  if (is_ours(problem)) {
    const auto& context = problem.context();
    return {static_cast<errc>(problem.code()),
            context.match_elements<std::string>() ? context.get_as<std::string>(0) : std::string{}};
  }
  if (problem == caf::sec::request_timeout)
    return {errc::timed_out, "no answer in time"};
  if (problem == caf::sec::request_receiver_down)
    return {errc::overloaded, "the part of the server that should answer has just ended"};
  return {errc::internal, caf::to_string(problem)};
}

} // namespace vp
