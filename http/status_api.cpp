#include "http/status_api.hpp"

#include "http/exchange.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <unistd.h>

namespace vp::http {

namespace {

using nlohmann::json;

/// The event loop turns: that is all that this says, and it asks nobody.
asio::awaitable<reply> health(exchange&) {
  co_return json_reply(status::ok, {{"status", "ok"}});
}

json check_disk(const server_config& config) {
  std::error_code failure;
  const auto space = std::filesystem::space(config.data_dir, failure);
  if (failure)
    return {{"ok", false}, {"detail", failure.message()}};
  json check{{"ok", true}, {"free_bytes", space.available}};
  if (::access(config.data_dir.c_str(), W_OK | X_OK) != 0)
    check.update({{"ok", false}, {"detail", std::generic_category().message(errno)}});
  else if (space.available < config.limits.free_space)
    check.update({{"ok", false}, {"detail", "the disk is nearly full"}});
  return check;
}

/// Encoders are told of but are no condition: without any, uploads and players go on.
json describe(const result<dispatcher_status>& found) {
  if (!found)
    return {{"ok", false}, {"detail", found.error().text}};
  const auto busy = std::count_if(found->encoders.begin(), found->encoders.end(),
                                  [](const encoder_status& encoder) { return encoder.busy; });
  return {{"ok", true},
          {"encoders", found->encoders.size()},
          {"busy", busy},
          {"jobs", found->jobs},
          {"segments_waiting", found->segments_waiting}};
}

/// No condition either: uploads are taken all the same, and their jobs catch up.
json describe(const result<queue_status>& found) {
  if (!found)
    return {{"ok", false}, {"detail", found.error().text}};
  json told{{"ok", found->ok}, {"kind", found->kind}, {"unpublished", found->unpublished}};
  if (!found->ok)
    told["detail"] = found->detail;
  return told;
}

asio::awaitable<reply> readiness(exchange& request) {
  constexpr auto patience = std::chrono::milliseconds(2000);
  const auto start = clock::now();
  const auto newest = co_await request.ask<std::uint64_t>(request.app.actors.catalog, patience, last_atom_v);
  const std::chrono::duration<double, std::milli> took = clock::now() - start;
  json catalog{{"ok", newest.has_value()}, {"milliseconds", took.count()}};
  if (!newest)
    catalog["detail"] = newest.error().text;
  const auto encoders = co_await request.ask<dispatcher_status>(request.app.actors.dispatcher, patience, status_atom_v);
  const auto queue = co_await request.ask<queue_status>(request.app.actors.queue, patience, status_atom_v);
  const auto disk = check_disk(request.app.config);

  json body{{"status", "ready"},
            {"catalog", std::move(catalog)},
            {"data", disk},
            {"dispatcher", describe(encoders)},
            {"queue", describe(queue)}};
  if (newest && disk["ok"])
    co_return json_reply(status::ok, body);
  body["status"] = "not ready";
  body["detail"] = newest ? "the data folder is not usable" : "the catalog does not answer";
  auto answer = json_reply(status::service_unavailable, body);
  answer.head.set(field::retry_after, "1");
  co_return answer;
}

asio::awaitable<reply> metrics_page(exchange& request) {
  auto text = prometheus::TextSerializer{}.Serialize(request.app.actors.registry->Collect());
  co_return text_reply(status::ok, "text/plain; version=0.0.4; charset=utf-8", std::move(text));
}

asio::awaitable<reply> openapi(exchange&) {
  auto answer = text_reply(status::ok, "application/json", std::string{openapi_document});
  answer.head.set(field::cache_control, "no-cache");
  co_return answer;
}

} // namespace

void add_status_api(router& routes) {
  routes.add(verb::get, "/healthz", health);
  routes.add(verb::get, "/readyz", readiness);
  routes.add(verb::get, "/metrics", metrics_page);
  routes.add(verb::get, "/openapi.json", openapi);
}

} // namespace vp::http
