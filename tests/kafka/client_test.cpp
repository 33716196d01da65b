#include "kafka/client.hpp"
#include "kafka/settings.hpp"

#include <catch2/catch.hpp>

#include <future>
#include <memory>
#include <netdb.h>

using namespace vp::kafka;

namespace {

std::promise<void> asked;
std::promise<void> released;

int resolve_late(const char*, const char*, const addrinfo*, addrinfo**, void*) {
  asked.set_value();
  released.get_future().wait();
  return EAI_FAIL;
}

} // namespace

TEST_CASE("a client that can't end is left behind, and heard of no more", "[client]") {
  settings settings;
  settings.brokers = "localhost:1";
  auto conf = configure(settings);
  REQUIRE(conf);
  rd_kafka_conf_set_resolve_cb(conf->get(), resolve_late);
  const auto heard = std::make_shared<int>();
  {
    auto opened = client::open(std::move(*conf), RD_KAFKA_PRODUCER, [heard](int, const std::string&) {});
    REQUIRE(opened);
    asked.get_future().wait(); // its end waits for this thread of it from here on
    CHECK(heard.use_count() > 1);
  }
  CHECK(heard.use_count() == 1);
  released.set_value();
}
