#include "actors/node_hello.hpp"

#include "actors/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vp {

namespace {

constexpr std::size_t longest_name = 63;

/// A name goes into logs, metrics and addresses.
bool is_name(std::string_view text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  // No name of all dots: in a URL they lead elsewhere.
  return text.size() <= longest_name && text.find_first_not_of('.') != std::string_view::npos
         && text.find_first_not_of(allowed) == std::string_view::npos;
}

} // namespace

std::string to_text(const node_hello& hello) {
  nlohmann::json out{
      {"node", hello.where.node}, {"slot", hello.where.slot},   {"node_run", hello.where.run},       {"run", hello.run},
      {"pass", hello.pass},       {"versions", hello.versions}, {"on_demand", hello.where.on_demand}};
  if (hello.before)
    out["before"] = {{"run", hello.before->run}, {"end", hello.before->end}, {"counts", hello.before->counts}};
  return to_text(out);
}

result<node_hello> parse_hello(std::string_view text) {
  try {
    const auto in = nlohmann::json::parse(text);
    node_hello hello;
    in.at("node").get_to(hello.where.node);
    in.at("slot").get_to(hello.where.slot);
    in.at("node_run").get_to(hello.where.run);
    hello.where.on_demand = in.value("on_demand", false);
    in.at("run").get_to(hello.run);
    in.at("pass").get_to(hello.pass);
    in.at("versions").get_to(hello.versions);
    if (auto before = in.find("before"); before != in.end())
      hello.before = {before->at("run"), before->at("end"), before->at("counts")};
    if (!is_name(hello.where.node))
      return fail(errc::invalid_request, "a node's name has 1 to 63 letters, digits, dots, dashes and underscores");
    if (hello.run.empty() || hello.where.run.empty())
      return fail(errc::invalid_request, "a worker names its process and its node's");
    return hello;
  } catch (const nlohmann::json::exception&) {
    return fail(errc::invalid_request, "this worker does not introduce itself as this server expects it");
  }
}

result<void> check_versions(const std::map<std::string, std::string>& ours,
                            const std::map<std::string, std::string>& theirs) {
  std::string differences;
  for (const auto& [name, version] : ours) {
    const auto found = theirs.find(name);
    if (found == theirs.end() || found->second != version)
      differences += fmt::format("{}{} {} here and {} there", differences.empty() ? "" : ", ", name, version,
                                 found == theirs.end() ? "none" : found->second);
  }
  if (!differences.empty())
    return fail(errc::conflict, "the worker would make other files than this server: " + differences);
  return {};
}

} // namespace vp
