// The nodes that encode for a server: list, drain.

#include "cli/api_client.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace vp::cli {

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

struct nodes_options {
  std::string server;
  std::string name;
  bool wait = false;
};

/// Slots that have a task.
std::size_t busy_slots(const json& node) {
  const auto& slots = node.at("slots");
  return static_cast<std::size_t>(
      std::count_if(slots.begin(), slots.end(), [](const json& slot) { return slot.value("busy", false); }));
}

const char* state_of(const json& node) {
  const auto busy = busy_slots(node) > 0;
  if (node.value("drained", false))
    return busy ? "draining" : "drained";
  return busy ? "working" : "idle";
}

result<void> list(api_client& api) {
  const auto nodes = api.get("/nodes");
  if (!nodes)
    return tl::unexpected(nodes.error());
  fmt::print("{:<24}  {:>5}  {:>4}  {:>8}  {:>10}  {:>8}  {}\n", "NODE", "SLOTS", "BUSY", "SEGMENTS", "SEGMENTS/S",
             "FAILURES", "STATE");
  for (const auto& node : *nodes) {
    const auto busy = busy_slots(node);
    // How fast it once was says nothing of a node that rests.
    const auto speed = busy > 0 ? fmt::format("{:.2f}", node.value("segments_per_second", 0.0)) : "-";
    fmt::print("{:<24}  {:>5}  {:>4}  {:>8}  {:>10}  {:>8}  {}\n", printable(node.value("name", "")),
               node.at("slots").size(), busy, node.value("segments", std::uint64_t{0}), speed,
               node.value("failures", std::uint64_t{0}), state_of(node));
  }
  return {};
}

/// The node of this name, or `not_found`. By a look at all of them: a name off the command line is no path.
result<json> find_node(api_client& api, const std::string& name) {
  auto nodes = api.get("/nodes");
  if (!nodes)
    return nodes;
  for (auto& node : *nodes)
    if (node.value("name", "") == name)
      return std::move(node);
  return fail(errc::not_found, fmt::format("no node of this server is called '{}'", name));
}

/// Until it has nothing to do any more, or has left.
result<void> wait_until_idle(api_client& api, const std::string& name) {
  constexpr auto pause = 500ms;
  for (;;) {
    const auto node = find_node(api, name);
    if (!node && node.error().code == errc::not_found) {
      fmt::print("{} has left\n", name);
      return {};
    }
    if (!node)
      return tl::unexpected(node.error());
    if (busy_slots(*node) == 0) {
      fmt::print("{} is idle\n", name);
      return {};
    }
    std::this_thread::sleep_for(pause);
  }
}

result<void> drain(api_client& api, const nodes_options& options) {
  const auto& name = options.name;
  if (auto known = find_node(api, name); !known)
    return tl::unexpected(known.error());
  const auto node = api.post("/nodes/" + name + "/drain");
  if (!node)
    return tl::unexpected(node.error());
  fmt::print("{} gets no more tasks; still under way: {}\n", name, busy_slots(*node));
  std::fflush(stdout);
  return options.wait ? wait_until_idle(api, name) : result<void>{};
}

} // namespace

void add_nodes(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<nodes_options>();
  auto* command = app.add_subcommand("nodes", "The nodes that encode for a server");
  server_option(*command, options->server);
  command->require_subcommand(1);
  command->fallthrough();
  command->add_subcommand("list", "List them, and what they do")->callback([options, &exit_code] {
    api_client api{options->server};
    exit_code = report(list(api));
  });
  auto* drained = command->add_subcommand("drain", "Give one no more tasks, until it is started again");
  drained->add_option("NODE", options->name, "Its name, as `nodes list` shows it")->required();
  drained->add_flag("--wait", options->wait, "Wait until it has ended what it has");
  drained->callback([options, &exit_code] {
    api_client api{options->server};
    exit_code = report(drain(api, *options));
  });
}

} // namespace vp::cli
