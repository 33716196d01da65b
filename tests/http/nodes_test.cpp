#include "tests/actors/scripted.hpp"
#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace vp;
using namespace vp::http;
using nlohmann::json;
using script = std::shared_ptr<test::encoder_script>;

namespace {

/// An encoder that ends nothing.
script endless() {
  auto made = std::make_shared<test::encoder_script>();
  made->silent = true;
  return made;
}

/// Who encodes for a live server, and for whom; gone before it.
class crew {
public:
  explicit crew(live_server& server) : server_(server) {}
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;
  ~crew() {
    for (const auto& who : members_)
      caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  }

  void add(const std::string& node, std::uint32_t slot, const script& what) {
    const encoder_actor encoder = server_.actors().spawn(test::scripted_encoder, what);
    members_.push_back(encoder.address());
    self_->send(server_.dispatcher(), register_atom_v, encoder, encoder_info{node, slot, "run of " + node});
  }

  void encode(const std::string& hash, std::uint32_t segments) {
    const order_listener listener =
        server_.actors().spawn(test::scripted_listener, std::make_shared<test::listener_log>(), server_.dispatcher());
    members_.push_back(listener.address());
    self_->send(server_.dispatcher(), open_atom_v, test::make_order(hash, segments), listener);
  }

  void analyze(const std::string& hash) {
    self_->request(server_.dispatcher(), caf::infinite, analyze_atom_v, analyze_task{{hash, "/nowhere", 1}, {}});
  }

private:
  live_server& server_;
  caf::scoped_actor self_{server_.actors()};
  std::vector<caf::actor_addr> members_;
};

std::string begin_upload(client& connection, const std::string& title) {
  return json_of(
      connection.post_json("/videos/init", {{"title", title}, {"total_chunks", 1}, {"file_size", 5}}))["video_hash"];
}

} // namespace

TEST_CASE("a server without encoders has no nodes") {
  live_server server;
  client connection{server.port()};
  CHECK(json_of(connection.get("/nodes")) == json::array());
}

TEST_CASE("nodes are listed by name, with what each slot is doing") {
  live_server server;
  client connection{server.port()};
  const auto hash = begin_upload(connection, "a film");
  crew encoders{server};
  encoders.add("node-b", 2, endless());
  encoders.encode(hash, 1);
  encoders.add("node-b", 1, endless());
  encoders.analyze(test::hash_of('f'));
  encoders.add("Node_a.1", 7, endless());

  const auto nodes = json_of(connection.get("/nodes"));
  REQUIRE(nodes.size() == 2);
  for (const auto& node : nodes) {
    check_fields(node, "Node");
    for (const auto& slot : node["slots"])
      check_fields(slot, "Slot");
  }
  CHECK(nodes[0]["name"] == "Node_a.1");
  CHECK(
      nodes[0]["slots"].dump()
      == R"([{"busy":false,"drained":false,"failures":0,"on_demand":false,"segments":0,"segments_per_second":0.0,"slot":7}])");
  CHECK(nodes[1]["name"] == "node-b");
  CHECK(nodes[1]["drained"] == false);
  REQUIRE(nodes[1]["slots"].size() == 2);
  // It looks at a source that the catalog does not know.
  const auto& first = nodes[1]["slots"][0];
  CHECK(first["slot"] == 1);
  CHECK(first["busy"] == true);
  CHECK(first["video_hash"] == test::hash_of('f'));
  CHECK_FALSE(first.contains("segment"));
  CHECK_FALSE(first.contains("title"));
  const auto& second = nodes[1]["slots"][1];
  CHECK(second["slot"] == 2);
  CHECK(second["busy"] == true);
  CHECK(second["video_hash"] == hash);
  CHECK(second["segment"] == 0);
  CHECK(second["title"] == "a film");
}

TEST_CASE("a node's figures are the sums of its slots'") {
  live_server server;
  client connection{server.port()};
  crew encoders{server};
  const auto failed = std::make_shared<std::atomic<bool>>(false);
  for (const std::uint32_t slot : {1, 2}) {
    auto quick = std::make_shared<test::encoder_script>();
    quick->takes = std::chrono::milliseconds(1);
    quick->fault = [failed](const std::string&, std::uint32_t segment) -> std::optional<error> {
      if (segment == 3 && !failed->exchange(true))
        return error{errc::encoder_failed, "for once"};
      return std::nullopt;
    };
    encoders.add("node", slot, quick);
  }
  encoders.encode(test::hash_of('a'), 9);

  json node;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    node = json_of(connection.get("/nodes"))[0];
    REQUIRE(std::chrono::steady_clock::now() < end);
  } while (node["segments"] != 9);
  CHECK(node["failures"] == 1);
  double per_second = 0;
  int segments = 0;
  for (const auto& slot : node["slots"]) {
    segments += slot["segments"].get<int>();
    per_second += slot["segments_per_second"].get<double>();
  }
  CHECK(segments == 9);
  CHECK(per_second > 0);
  CHECK(node["segments_per_second"].get<double>() == Approx(per_second));
}

TEST_CASE("a drained node ends what it has and gets no more") {
  live_server server;
  client connection{server.port()};
  crew encoders{server};
  encoders.add("one", 1, endless());
  encoders.encode(test::hash_of('a'), 1);
  encoders.add("one", 2, endless());
  encoders.add("two", 1, endless());

  // Again is harmless.
  for (int i = 0; i < 2; ++i) {
    const auto response = connection.post("/nodes/one/drain", "");
    CHECK(response.result() == status::accepted);
    const auto node = json_of(response);
    check_fields(node, "Node");
    CHECK(node["name"] == "one");
    CHECK(node["drained"] == true);
    CHECK(node["slots"][0]["busy"] == true);
    CHECK(node["slots"][1]["busy"] == false);
    CHECK(node["slots"][1]["drained"] == true);
  }

  encoders.encode(test::hash_of('b'), 5);
  const auto nodes = json_of(connection.get("/nodes"));
  CHECK(nodes[0]["slots"][1]["busy"] == false);
  CHECK(nodes[1]["name"] == "two");
  CHECK(nodes[1]["drained"] == false);
  CHECK(nodes[1]["slots"][0]["video_hash"] == test::hash_of('b'));
}

TEST_CASE("only nodes that are there can be drained") {
  live_server server;
  client connection{server.port()};
  crew encoders{server};
  encoders.add("node", 1, endless());
  for (const char* name : {"other", "Node", "nod", "node%20", "%00node"}) {
    CAPTURE(name);
    const auto response = connection.post(std::string{"/nodes/"} + name + "/drain", "");
    CHECK(response.result() == status::not_found);
    detail_of(response);
  }
  CHECK(connection.get("/nodes/node/drain").result() == status::method_not_allowed);
  CHECK(connection.post("/nodes", "").result() == status::method_not_allowed);
  CHECK(json_of(connection.get("/nodes"))[0]["drained"] == false);
}
