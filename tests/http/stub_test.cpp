#include "http/events_api.hpp"
#include "http/io_thread.hpp"
#include "http/service.hpp"
#include "http/videos_api.hpp"
#include "tests/http/client.hpp"
#include "tests/support/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

using namespace vp;
using namespace vp::http;
using namespace std::chrono_literals;

namespace {

struct actors_config : caf::actor_system_config {
  actors_config() { vp::add_message_types(*this); }
};

server_config make_config(const limits& limits) {
  server_config config;
  config.limits = limits;
  return config;
}

/// One thread of a server, with routes and actors of the test's own.
class stub_server {
public:
  explicit stub_server(const limits& limits = {})
      : app_{make_config(limits), backend{system_, {}, {}, {}, {}, {}, {}, std::make_shared<prometheus::Registry>()},
             *file_root::open(folder_.path()), std::nullopt} {
    thread_.start();
  }
  ~stub_server() {
    for (const auto& actor : actors_)
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }
  stub_server(const stub_server&) = delete;
  stub_server& operator=(const stub_server&) = delete;

  router& routes() { return app_.router; }
  backend& actors() { return app_.actors; }
  double streams() const { return app_.measures.streams.Value(); }

  /// An actor that answers as it is told, under any interface.
  template <class Interface>
  Interface spawn(caf::behavior answers) {
    actors_.push_back(system_.spawn([answers](caf::event_based_actor*) { return answers; }));
    return caf::actor_cast<Interface>(actors_.back());
  }

  client connect() {
    client connection{acceptor_.local_endpoint().port()};
    thread_.adopt(acceptor_.accept(thread_.context()), false);
    return connection;
  }

private:
  test::temporary_folder folder_;
  actors_config config_;
  caf::actor_system system_{config_};
  std::vector<caf::actor> actors_;
  service app_;
  io_thread thread_{app_};
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
};

} // namespace

TEST_CASE("the end of an upload reaches a session although another has just ended") {
  stub_server server;
  add_videos_api(server.routes());
  const auto ended = server.spawn<upload_session_actor>({[](finalize_atom) { return video{}; }});
  caf::anon_send_exit(ended, caf::exit_reason::user_shutdown);
  const auto live = server.spawn<upload_session_actor>({[](finalize_atom) {
    video queued;
    queued.status = video_status::queued;
    return queued;
  }});
  server.actors().sessions = server.spawn<session_manager_actor>(
      {[ended, live, asked = std::make_shared<int>(0)](session_atom, const std::string&) {
        return ++*asked == 1 ? ended : live;
      }});
  auto connection = server.connect();
  const auto response = connection.post("/videos/finalize/" + std::string(64, 'a'), "");
  CHECK(response.result() == status::ok);
  CHECK(json_of(response)["status"] == "queued");
}

TEST_CASE("a handler that throws is answered 500, and the server goes on") {
  stub_server server;
  server.routes().add(verb::get, "/broken", [](exchange&) -> asio::awaitable<reply> {
    throw std::runtime_error{"broken"};
    co_return reply{};
  });
  auto connection = server.connect();
  for (int i = 0; i < 2; ++i) {
    const auto response = connection.get("/broken");
    CHECK(response.result() == status::internal_server_error);
    CHECK(detail_of(response).find("broken") == std::string::npos);
    CHECK(response.keep_alive());
  }
}

TEST_CASE("a reader of events that takes nothing is let go, and little is read for it") {
  limits limits;
  limits.write_idle = 300ms;
  stub_server server{limits};
  add_events_api(server.routes());
  std::atomic<int> pulls = 0;
  server.actors().events = server.spawn<event_hub_actor>(
      {[](last_atom) { return std::uint64_t{0}; },
       [&pulls](next_atom, std::uint64_t after, const std::string&, std::uint32_t most) {
         ++pulls;
         std::vector<event> events;
         for (std::uint32_t i = 1; i <= most; ++i)
           events.push_back({after + i, std::string(64, 'a'), "progress", std::string(100'000, 'x')});
         return events;
       }});
  auto connection = server.connect();
  connection.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  connection.read_until("\r\n\r\n");
  const auto end = std::chrono::steady_clock::now() + 10s;
  while ((pulls == 0 || server.streams() > 0) && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(5ms);
  CHECK(server.streams() == 0);
  CHECK(pulls > 0);
  CHECK(pulls < 5); // what the kernel takes for it, and one batch
}
