#include "http/events_api.hpp"
#include "http/files_api.hpp"
#include "http/nodes_api.hpp"
#include "http/status_api.hpp"
#include "http/upload_api.hpp"
#include "http/videos_api.hpp"
#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <boost/algorithm/string.hpp>
#include <catch2/catch.hpp>

#include <set>

using namespace vp;
using namespace vp::http;
using nlohmann::json;

namespace {

using operation = std::pair<std::string, std::string>;

/// Each `$ref` below `node` must lead somewhere.
void check_references(const json& document, const json& node) {
  if (node.is_object() && node.contains("$ref")) {
    const auto target = node["$ref"].get<std::string>();
    CAPTURE(target);
    REQUIRE(target.starts_with("#/"));
    CHECK(document.contains(json::json_pointer{target.substr(1)}));
  }
  if (node.is_structured())
    for (const auto& child : node)
      check_references(document, child);
}

} // namespace

TEST_CASE("the description has every route, and no other") {
  router routes;
  add_upload_api(routes);
  add_events_api(routes);
  add_videos_api(routes);
  add_nodes_api(routes);
  add_status_api(routes);
  add_files_api(routes);
  std::set<operation> served;
  for (const auto& way : routes.routes()) {
    auto pattern = way.pattern;
    boost::replace_all(pattern, "{*", "{");
    served.emplace(pattern, boost::to_lower_copy(std::string{beast::http::to_string(way.method)}));
  }
  std::set<operation> described;
  const auto document = json::parse(openapi_document);
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, what] : operations.items())
      described.emplace(path, method);
  CHECK(described == served);
}

TEST_CASE("the description is consistent in itself") {
  const auto document = json::parse(openapi_document);
  CHECK(document["openapi"] == "3.1.0");
  check_references(document, document);
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, what] : operations.items()) {
      CAPTURE(path, method);
      CHECK(what.contains("summary"));
      CHECK_FALSE(what["responses"].empty());
      std::set<std::string> named;
      for (auto parameter : what.value("parameters", json::array())) {
        if (parameter.contains("$ref"))
          parameter = document[json::json_pointer{parameter["$ref"].get<std::string>().substr(1)}];
        if (parameter["in"] == "path")
          named.insert("{" + parameter["name"].get<std::string>() + "}");
      }
      std::vector<std::string> segments;
      boost::split(segments, path, boost::is_any_of("/"));
      for (const auto& segment : segments)
        if (segment.starts_with("{"))
          CHECK(named.contains(segment));
    }
}

TEST_CASE("answers have the fields that the description says") {
  live_server server;
  client connection{server.port()};
  CHECK(json_of(connection.get("/openapi.json")) == json::parse(openapi_document));
  auto begun = json_of(connection.post_json("/videos/init", {{"title", "t"}, {"total_chunks", 1}, {"file_size", 5}}));
  const std::string hash = begun["video_hash"];
  for (const char* name : {"resumable", "uploaded_chunks", "missing_chunks"})
    CHECK(begun.erase(name) == 1);
  check_fields(begun, "Video");
  check_fields(json_of(connection.get("/videos"))[0], "Video");
  check_fields(json_of(connection.post("/videos/upload_chunk/" + hash + "/0", "12345")), "ChunkReceipt");
  check_fields(json_of(connection.post("/videos/finalize/" + hash, "")), "Finalized");
  check_fields(json_of(connection.get("/nowhere")), "Problem");
  check_fields(json_of(connection.get("/healthz")), "Health");
  const auto ready = json_of(connection.get("/readyz"));
  check_fields(ready, "Readiness");
  CHECK(ready["status"] == "ready");
  CHECK(ready["catalog"]["ok"] == true);
  CHECK(ready["data"]["free_bytes"] > 0);
  CHECK(ready["dispatcher"]["encoders"] == 0);
  CHECK(ready["queue"]["kind"] == "embedded");
}

TEST_CASE("a completed video has its addresses") {
  live_server server;
  client connection{server.port()};
  const std::string hash = json_of(
      connection.post_json("/videos/init", {{"title", "t"}, {"total_chunks", 1}, {"file_size", 5}}))["video_hash"];
  REQUIRE(connection.post("/videos/upload_chunk/" + hash + "/0", "12345").result() == status::ok);
  REQUIRE(connection.post("/videos/finalize/" + hash, "").result() == status::ok);
  CHECK(connection.post("/videos/" + hash + "/retry", "").result() == status::conflict);

  server.complete(hash);
  const auto video = json_of(connection.get("/videos/" + hash));
  const auto base = "/media/uploads/" + hash;
  CHECK(video["status"] == "completed");
  CHECK(video["url"] == base + "/hls/playlist.m3u8");
  CHECK(video["hls_url"] == base + "/hls/playlist.m3u8");
  CHECK(video["dash_url"] == base + "/dash/manifest.mpd");
  CHECK(video["progress"].is_null());
  CHECK(json_of(connection.post("/videos/finalize/" + hash, ""))["status"] == "completed");
}

TEST_CASE("a server whose disk is full says that it is not ready") {
  live_server server{[](server_config& config) { config.limits.free_space = std::uint64_t{1} << 60; }};
  client connection{server.port()};
  const auto response = connection.get("/readyz");
  CHECK(response.result() == status::service_unavailable);
  CHECK(json_of(response)["status"] == "not ready");
  CHECK_FALSE(detail_of(response).empty());
  CHECK(connection.get("/healthz").result() == status::ok);
}

TEST_CASE("requests are counted by route and status") {
  live_server server;
  client connection{server.port()};
  connection.get("/videos");
  connection.get("/videos/" + std::string(64, 'a'));
  connection.get("/videos/" + std::string(64, 'b'));
  connection.write("BREW /videos HTTP/1.1\r\nHost: x\r\n\r\n");
  connection.read_response();
  const auto response = connection.get("/metrics");
  CHECK(response[field::content_type].starts_with("text/plain; version=0.0.4"));
  const auto& text = response.body();
  CHECK(text.find(R"(vidpipeline_http_requests_total{method="GET",route="/videos",status="200"} 1)")
        != std::string::npos);
  CHECK(text.find(R"(vidpipeline_http_requests_total{method="GET",route="/videos/{video_hash}",status="404"} 2)")
        != std::string::npos);
  CHECK(text.find(R"(method="other")") != std::string::npos);
  CHECK(text.find(R"(vidpipeline_http_request_seconds_bucket{route="/videos",le="0.001"})") != std::string::npos);
  CHECK(text.find("vidpipeline_http_connections 1\n") != std::string::npos);
  CHECK(text.find("vidpipeline_http_sent_bytes_total") != std::string::npos);
}

TEST_CASE("an address that can't be had is an error") {
  live_server server;
  const auto taken = listener::open("127.0.0.1", server.port());
  REQUIRE(!taken);
  CHECK(taken.error().text
        == "cannot listen on 127.0.0.1 port " + std::to_string(server.port()) + ": Address already in use");
  const auto nonsense = listener::open("nonsense", 0);
  REQUIRE(!nonsense);
  CHECK(nonsense.error().text == "'nonsense' is not an IP address");
}
