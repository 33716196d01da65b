#include "cli/api_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <httplib.h>

namespace vp::cli {

namespace {

using nlohmann::json;

errc code_of(int status) {
  switch (status) {
  case 404:
    return errc::not_found;
  case 409:
    return errc::conflict;
  case 413:
    return errc::too_large;
  case 503:
    return errc::overloaded;
  case 504:
    return errc::timed_out;
  case 507:
    return errc::disk_full;
  default:
    return status < 500 ? errc::invalid_request : errc::internal;
  }
}

bool is_one(const json& body) {
  auto has = [&](const char* key) { return body.contains(key) && body[key].is_string(); };
  return body.is_object() && (has("video_hash") || (has("name") && body.contains("slots") && body["slots"].is_array()));
}

/// Whether `body` speaks of a video or a node, or of several, as every answer with a body does.
bool is_ours(const json& body) {
  return body.is_array() ? std::all_of(body.begin(), body.end(), is_one) : is_one(body);
}

result<json> answer(const httplib::Result& response, const std::string& url) {
  if (!response)
    return fail(errc::io_failed, fmt::format("{} does not answer ({})", url, httplib::to_string(response.error())));
  if (response->status == 204)
    return json{};
  auto body = json::parse(response->body, nullptr, false);
  auto good = response->status >= 200 && response->status < 300;
  if (good && is_ours(body))
    return body;
  auto code = good ? errc::invalid_request : code_of(response->status);
  if (!good && body.is_object() && body.contains("detail") && body["detail"].is_string())
    return fail(code, body["detail"].get<std::string>());
  return fail(code,
              fmt::format("the answer of {} is not from a VidPipeline server (HTTP status {})", url, response->status));
}

} // namespace

api_client::api_client(std::string url) : url_(std::move(url)), http_(std::make_unique<httplib::Client>(url_)) {
  http_->set_keep_alive(true);
  http_->set_connection_timeout(std::chrono::seconds(10));
  // The server takes up to 300 s to make a large upload durable.
  http_->set_read_timeout(std::chrono::seconds(330));
  http_->set_write_timeout(std::chrono::seconds(60));
  // A small request must not wait for the acknowledgement of the one before.
  http_->set_tcp_nodelay(true);
}

api_client::~api_client() = default;
api_client::api_client(api_client&&) noexcept = default;
api_client& api_client::operator=(api_client&&) noexcept = default;

result<json> api_client::get(const std::string& path) {
  return answer(http_->Get(path), url_);
}

result<json> api_client::post(const std::string& path, const json& body) {
  return answer(http_->Post(path,
                            body.is_null() ? std::string{} : body.dump(-1, ' ', false, json::error_handler_t::replace),
                            "application/json"),
                url_);
}

result<json> api_client::post_bytes(const std::string& path, std::span<const char> body) {
  return answer(http_->Post(path, body.data(), body.size(), "application/octet-stream"), url_);
}

result<void> api_client::remove(const std::string& path) {
  auto response = answer(http_->Delete(path), url_);
  if (!response)
    return tl::unexpected(response.error());
  return {};
}

} // namespace vp::cli
