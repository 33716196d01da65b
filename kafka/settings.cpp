#include "kafka/settings.hpp"

#include "kafka/client.hpp"

#include <algorithm>
#include <mutex>
#include <netdb.h>
#include <string_view>
#include <vector>

namespace vp::kafka {

namespace {

/// As the brokers check it; a topic they refuse would show only when it is made.
bool is_topic(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
           || c == '-';
  };
  return !name.empty() && name.size() <= 249 && name != "." && name != ".."
         && std::all_of(name.begin(), name.end(), allowed);
}

/// How many brokers a list names, as librdkafka counts them.
int count_brokers(std::string_view brokers) {
  int count = 0;
  for (std::size_t begin = 0; begin <= brokers.size();) {
    const auto end = std::min(brokers.find(',', begin), brokers.size());
    count += brokers.substr(begin, end - begin).find_first_not_of(' ') != std::string_view::npos;
    begin = end + 1;
  }
  return count;
}

result<void> check_ours(const settings& settings) {
  const auto refuse = [](std::string text) { return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, std::move(text)); };
  if (count_brokers(settings.brokers) == 0)
    return refuse("no brokers are given");
  for (const auto& topic : {settings.jobs_topic, settings.events_topic, settings.dead_topic()})
    if (!is_topic(topic))
      return refuse("\"" + topic + "\" is not a topic's name: letters, digits, '.', '_' and '-', at most 249 of them");
  if (settings.events_topic == settings.jobs_topic || settings.events_topic == settings.dead_topic())
    return refuse("events need a topic of their own: \"" + settings.events_topic + "\" is taken by jobs");
  if (settings.group.empty())
    return refuse("the consumer group has no name");
  if (settings.partitions < 1)
    return refuse("a topic has one partition at least");
  return {};
}

/// Lets librdkafka go no further than the name of a broker.
int resolve_nothing(const char* /*node*/, const char* /*service*/, const addrinfo* /*hints*/, addrinfo** /*found*/,
                    void* /*opaque*/) {
  return EAI_FAIL;
}

} // namespace

std::string settings::dead_topic() const {
  return jobs_topic + ".dlq";
}

result<void> check(const settings& settings) {
  if (auto ours = check_ours(settings); !ours)
    return ours;
  for (const auto type : {RD_KAFKA_PRODUCER, RD_KAFKA_CONSUMER}) {
    auto conf = configure(settings);
    if (!conf)
      return tl::unexpected(conf.error());
    rd_kafka_conf_set_resolve_cb(conf->get(), resolve_nothing);
    std::mutex mutex;
    std::string said; // of a broker's name it tells only its log
    const auto listen = [&](int, const std::string& text) {
      const std::lock_guard lock(mutex);
      if (text.starts_with("BROKER: "))
        said = text.substr(text.find(' ') + 1);
    };
    auto opened = client::open(std::move(*conf), type, listen);
    if (!opened)
      return tl::unexpected(opened.error());
    if (rd_kafka_brokers_add(opened->get(), settings.brokers.c_str()) != count_brokers(settings.brokers)) {
      const std::lock_guard lock(mutex);
      return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, said.empty() ? "not a list of brokers: " + settings.brokers : said);
    }
  }
  return {};
}

} // namespace vp::kafka
