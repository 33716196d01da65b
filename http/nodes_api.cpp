#include "http/nodes_api.hpp"

#include "http/exchange.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace vp::http {

namespace {

using nlohmann::json;
using titles = std::map<std::string, std::string>; ///< by video hash

json to_json(const encoder_status& slot, const titles& named) {
  json told{{"slot", slot.where.slot},          {"busy", slot.busy},
            {"drained", slot.drained},          {"segments", slot.segments},
            {"failures", slot.failures},        {"segments_per_second", slot.segments_per_second},
            {"on_demand", slot.where.on_demand}};
  if (!slot.busy)
    return told;
  told["video_hash"] = slot.video_hash;
  if (!slot.analyzing)
    told["segment"] = slot.segment;
  if (const auto found = named.find(slot.video_hash); found != named.end())
    told["title"] = found->second;
  return told;
}

/// An array of nodes, by name, with their slots in order.
json to_json(std::vector<encoder_status> slots, const titles& named) {
  std::stable_sort(slots.begin(), slots.end(), [](const encoder_status& a, const encoder_status& b) {
    return std::tie(a.where.node, a.where.slot) < std::tie(b.where.node, b.where.slot);
  });
  auto nodes = json::array();
  for (auto next = slots.begin(); next != slots.end();) {
    const auto name = next->where.node;
    auto told = json::array();
    auto drained = true;
    std::uint64_t segments = 0;
    std::uint64_t failures = 0;
    double segments_per_second = 0;
    for (; next != slots.end() && next->where.node == name; ++next) {
      told.push_back(to_json(*next, named));
      drained = drained && next->drained;
      segments += next->segments;
      failures += next->failures;
      segments_per_second += next->segments_per_second;
    }
    nodes.push_back({{"name", name},
                     {"drained", drained},
                     {"slots", std::move(told)},
                     {"segments", segments},
                     {"failures", failures},
                     {"segments_per_second", segments_per_second}});
  }
  return nodes;
}

/// The titles of what is worked on. They are an extra: where the catalog does not tell one, the node is told of all the
/// same.
asio::awaitable<titles> find_titles(exchange& request, const std::vector<encoder_status>& slots) {
  titles found;
  for (const auto& slot : slots) {
    if (!slot.busy || found.contains(slot.video_hash))
      continue;
    const auto video = co_await request.ask<vp::video>(request.app.actors.catalog, request.limits().answer_time,
                                                       get_atom_v, slot.video_hash);
    if (video)
      found.emplace(slot.video_hash, video->title);
    else if (video.error().code != errc::not_found)
      break; // It has other things to do.
  }
  co_return found;
}

/// All nodes, or the one of this name.
asio::awaitable<result<json>> find_nodes(exchange& request, std::string name = {}) {
  auto found = co_await request.ask<dispatcher_status>(request.app.actors.dispatcher, request.limits().answer_time,
                                                       status_atom_v);
  if (!found)
    co_return tl::unexpected(found.error());
  auto& slots = found->encoders;
  if (!name.empty())
    std::erase_if(slots, [&](const encoder_status& slot) { return slot.where.node != name; });
  const auto named = co_await find_titles(request, slots);
  co_return to_json(std::move(slots), named);
}

asio::awaitable<reply> list(exchange& request) {
  const auto nodes = co_await find_nodes(request);
  co_return nodes ? json_reply(status::ok, *nodes) : problem_reply(nodes.error());
}

asio::awaitable<reply> drain(exchange& request) {
  const auto& name = request.arguments.front();
  const auto busy = co_await request.ask<std::uint32_t>(request.app.actors.dispatcher, request.limits().answer_time,
                                                        drain_atom_v, name);
  if (!busy)
    co_return problem_reply(busy.error());
  const auto nodes = co_await find_nodes(request, name);
  if (!nodes)
    co_return problem_reply(nodes.error());
  if (nodes->empty())
    co_return problem_reply(problem{status::not_found, "the node has just left"});
  co_return json_reply(status::accepted, nodes->front());
}

} // namespace

void add_nodes_api(router& routes) {
  routes.add(verb::get, "/nodes", list);
  routes.add(verb::post, "/nodes/{name}/drain", drain);
}

} // namespace vp::http
