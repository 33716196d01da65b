#include "tests/http/client.hpp"
#include "tests/http/live_server.hpp"

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

using namespace vp::http;
using namespace std::chrono_literals;

namespace {

using nlohmann::json;
using strings = std::vector<std::string>;

/// Two servers over one data folder, and a video in it.
struct fixture {
  explicit fixture(const live_server::adjust& change = {})
      : one{change, folder.path()}, two{change, folder.path()}, to_one{one.port()}, to_two{two.port()} {
    hash = json_of(to_one.post_json("/videos/init",
                                    {{"title", "a film"}, {"total_chunks", 3}, {"file_size", content.size()}}))
               .at("video_hash");
  }

  void upload() {
    for (const int index : {2, 0, 1}) {
      auto& to = index == 0 ? to_two : to_one;
      REQUIRE(to.post(fmt::format("/videos/upload_chunk/{}/{}", hash, index),
                      content.substr(static_cast<std::size_t>(index) * 10, 10))
                  .result()
              == status::ok);
    }
    REQUIRE(to_two.post("/videos/finalize/" + hash, "").result() == status::ok);
  }

  response_type remove(client& from) { return from.send(make_request(verb::delete_, "/videos/" + hash)); }

  bool is_gone() {
    return to_one.get("/videos/" + hash).result() == status::not_found
           && to_two.get("/videos/" + hash).result() == status::not_found
           && !std::filesystem::exists(folder / "uploads" / hash);
  }

  const std::string content = "0123456789abcdefghijKLMNO";
  vp::test::temporary_folder folder;
  live_server one;
  live_server two;
  client to_one;
  client to_two;
  std::string hash;
};

/// Takes one request, answers it with these words, and keeps it. With no words it answers nothing until it ends.
class scripted_owner {
public:
  explicit scripted_owner(std::string answer)
      : answer_(std::move(answer)), thread_([this] {
          asio::ip::tcp::socket socket{context_};
          boost::system::error_code failure;
          acceptor_.accept(socket, failure);
          asio::read_until(socket, asio::dynamic_buffer(request_), "\r\n\r\n", failure);
          if (!answer_.empty())
            asio::write(socket, asio::buffer(answer_), failure);
          else
            socket.read_some(asio::buffer(&rest_, 1), failure); // until the other side gives up
        }) {}

  /// Lets the thread go where nobody came.
  ~scripted_owner() {
    boost::system::error_code ignored;
    asio::ip::tcp::socket{context_}.connect(acceptor_.local_endpoint(), ignored);
  }
  scripted_owner(const scripted_owner&) = delete;
  scripted_owner& operator=(const scripted_owner&) = delete;

  std::string url() const { return fmt::format("http://127.0.0.1:{}", acceptor_.local_endpoint().port()); }
  const std::string& request() {
    thread_.join();
    return request_;
  }

private:
  std::string answer_;
  std::string request_;
  char rest_ = 0;
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
  std::jthread thread_;
};

} // namespace

TEST_CASE_METHOD(fixture, "the chunks of an upload go to any of two servers", "[two_servers]") {
  upload();
  CHECK(json_of(to_one.get("/videos/" + hash)) == json_of(to_two.get("/videos/" + hash)));
  std::ifstream source{folder / "uploads" / hash / "source", std::ios::binary};
  CHECK(std::string{std::istreambuf_iterator<char>{source}, {}} == content);
}

TEST_CASE("every chunk comes to both servers at the same time", "[two_servers]") {
  constexpr std::size_t size = 50'000;
  constexpr std::size_t chunks = 16;
  std::string content(size * chunks - 1, '\0');
  for (std::size_t at = 0; at < content.size(); ++at)
    content[at] = static_cast<char>(at * 31 + at / 251);
  const fixture it;
  client connection{it.one.port()};
  json wanted{{"title", "another"}, {"total_chunks", chunks}, {"file_size", content.size()}};
  if (GENERATE(true, false))
    wanted["chunk_size"] = size;
  const std::string hash = json_of(connection.post_json("/videos/init", wanted)).at("video_hash");

  std::atomic<std::size_t> accepted = 0;
  {
    std::vector<std::jthread> senders;
    for (std::size_t i = 0; i < 8; ++i)
      senders.emplace_back([&, i] {
        client sender{i % 2 == 0 ? it.one.port() : it.two.port()};
        for (auto index = i / 2; index < chunks; index += 4) {
          const auto answer =
              sender.post(fmt::format("/videos/upload_chunk/{}/{}", hash, index), content.substr(index * size, size));
          accepted += answer.result() == status::ok ? 1 : 0;
        }
      });
  }
  CHECK(accepted == 2 * chunks);
  CHECK(connection.post("/videos/finalize/" + hash, "").result() == status::ok);
  std::ifstream source{it.folder / "uploads" / hash / "source", std::ios::binary};
  CHECK(std::string{std::istreambuf_iterator<char>{source}, {}} == content);
}

TEST_CASE_METHOD(fixture, "a video that is deleted at one server can be begun again at the other", "[two_servers]") {
  const auto path = fmt::format("/videos/upload_chunk/{}/0", hash);
  REQUIRE(to_one.post(path, content.substr(0, 10)).result() == status::ok);
  REQUIRE(remove(to_two).result() == status::no_content);
  CHECK(to_one.post(path, content.substr(0, 10)).result() == status::not_found);
  CHECK(is_gone());
  const auto again = json_of(
      to_two.post_json("/videos/init", {{"title", "a film"}, {"total_chunks", 3}, {"file_size", content.size()}}));
  CHECK(again["video_hash"] == hash);
  CHECK(again["uploaded_chunks"].empty());
  upload();
}

TEST_CASE_METHOD(fixture, "a video is deleted by the server that works on it", "[two_servers]") {
  upload();
  one.claim(hash, one.url());
  const auto response = remove(to_two);
  CHECK(response.result() == status::no_content);
  CHECK(response.body().empty());
  CHECK(one.cancelled() == strings{hash});
  CHECK(two.cancelled().empty());
  CHECK(is_gone());
}

TEST_CASE_METHOD(fixture, "a video that nobody else works on is deleted where that is asked", "[two_servers]") {
  upload();
  SECTION("nobody does") {}
  SECTION("this server does") {
    two.claim(hash, two.url());
  }
  SECTION("who did is gone") {
    const auto port = listener::open("127.0.0.1", 0)->port();
    two.claim(hash, fmt::format("http://127.0.0.1:{}", port));
  }
  SECTION("who did can't be found") {
    two.claim(hash, "nonsense");
  }
  SECTION("the one who does passed the request on itself") {
    two.claim(hash, fmt::format("http://localhost:{}", two.port()));
  }
  CHECK(remove(to_two).result() == status::no_content);
  CHECK(two.cancelled() == strings{hash});
  CHECK(one.cancelled().empty());
  CHECK(is_gone());
}

TEST_CASE_METHOD(fixture, "the answer of the owner is passed on as it is", "[two_servers]") {
  upload();
  scripted_owner owner{"HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\nRetry-After: 7\r\n"
                       "Connection: close\r\nContent-Length: 26\r\n\r\n{\"detail\": \"not just now\"}"};
  two.claim(hash, owner.url());
  const auto response = remove(to_two);
  CHECK(response.result() == status::service_unavailable);
  CHECK(response[field::retry_after] == "7");
  CHECK(detail_of(response) == "not just now");
  CHECK_FALSE(is_gone());
  const auto& request = owner.request();
  CHECK(request.starts_with(fmt::format("DELETE /videos/{} HTTP/1.1\r\n", hash)));
  CHECK(request.find("\r\nX-Vidpipeline-Forwarded: ") != std::string::npos);
}

TEST_CASE_METHOD(fixture, "an owner that wakes up late does not do what was done elsewhere meanwhile",
                 "[two_servers]") {
  upload();
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  auto request = make_request(verb::delete_, "/videos/" + hash);
  request.set("X-Vidpipeline-Forwarded", std::to_string((now - 1ms).count()));
  CHECK(to_one.send(request).result() == status::gateway_timeout);
  CHECK_FALSE(is_gone());
  request.set("X-Vidpipeline-Forwarded", std::to_string((now + 60s).count()));
  CHECK(to_one.send(request).result() == status::no_content);
  CHECK(is_gone());
}

TEST_CASE("an owner that does not answer is not waited for without end", "[two_servers]") {
  fixture it{[](server_config& config) { config.limits.owner_time = 200ms; }};
  it.upload();
  scripted_owner owner{GENERATE(as<std::string>{}, "", "HTTP/1.1 204 No", "what is this?\r\n\r\n")};
  it.two.claim(it.hash, owner.url());
  CHECK(it.remove(it.to_two).result() == status::no_content);
  CHECK(it.two.cancelled() == strings{it.hash});
  CHECK(it.is_gone());
}

TEST_CASE("a viewer does not wait for an owner that does not answer", "[two_servers]") {
  fixture it{[](server_config& config) { config.limits.owner_time = 200ms; }};
  it.upload();
  scripted_owner owner{""};
  it.two.claim(it.hash, owner.url());
  const auto begun = std::chrono::steady_clock::now();
  CHECK(it.to_two.get("/media/uploads/" + it.hash + "/media/360p-00000000/0.m4s").result() == status::not_found);
  CHECK(std::chrono::steady_clock::now() - begun < 20s); // less than a viewer's patience of 100 s
  CHECK(owner.request().find("0.m4s") != std::string::npos);
}
