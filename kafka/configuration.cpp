#include "kafka/client.hpp"

#include <array>
#include <optional>
#include <string>

namespace vp::kafka {

namespace {

struct property {
  const char* name;
  const char* value; ///< null: librdkafka's default
};

/// What our promises and this code rest on.
constexpr auto needed = std::to_array<property>({
    // Nothing is lost, reordered or written twice on the way to the brokers.
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"acks", "all"},
    {"transactional.id", nullptr},
    {"delivery.report.only.error", "false"},
    // producer::send() itself gives up, on all of a batch at once: were messages to time out one by one, a later one of
    // the same key could still be sent.
    {"message.timeout.ms", "0"},
    // As Java's clients choose, so that everybody's messages of one key share a partition.
    {"partitioner", "murmur2_random"},
    // Jobs are committed when they have ended, one by one, and a partition changes hands without a pause of the others.
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"enable.partition.eof", "false"},
    // Topics are made by ensure_topics(), which knows their partitions.
    {"allow.auto.create.topics", "false"},
    // How librdkafka reaches this code.
    {"enabled_events", nullptr},
    {"log.queue", "false"},
    // Its tokens are made by a callback that does not go with events; the other ways of OAUTHBEARER do.
    {"enable.sasl.oauthbearer.unsecure.jwt", "false"},
});

/// What is better than librdkafka's default; the user may know better still.
constexpr auto preferred = std::to_array<property>({
    {"client.id", "vidpipeline"},
    {"log.thread.name", "false"},
    {"linger.ms", "5"},
    // A message for a topic that is not there has failed before acknowledge_limit.
    {"topic.metadata.propagation.max.ms", "3000"},
    // An owner that died is missed soon.
    {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "3000"},
    // A job takes minutes: there is no use in hoarding thousands.
    {"queued.min.messages", "100"},
    {"queued.max.messages.kbytes", "4096"},
    // A broker that comes back is found within a second.
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.keepalive.enable", "true"},
});

std::optional<std::string> get(const rd_kafka_conf_t* conf, const char* name) {
  std::size_t size = 0;
  if (rd_kafka_conf_get(conf, name, nullptr, &size) != RD_KAFKA_CONF_OK)
    return std::nullopt;
  std::string value(size, '\0');
  rd_kafka_conf_get(conf, name, value.data(), &size);
  value.resize(size - 1); // the terminator
  return value;
}

result<void> set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> text{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text.data(), text.size()) == RD_KAFKA_CONF_OK)
    return {};
  std::string said = text.data();
  while (said.ends_with('\n'))
    said.pop_back();
  return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, said);
}

/// A property as it has to stay. Compared by what librdkafka makes of it, so that another spelling of the value, or of
/// the name, is seen for what it is.
struct guarded {
  const char* name;
  std::optional<std::string> value;
};

std::string refusal(const std::string& name, const std::string& value, const guarded& guard) {
  return "Configuration property \"" + name + "\" cannot be set to \"" + value + "\" here: \"" + guard.name
         + (guard.value ? "\" has to be \"" + *guard.value + "\"" : "\" has to stay unset");
}

} // namespace

result<handle<rd_kafka_conf_t>> configure(const settings& settings) {
  handle<rd_kafka_conf_t> conf(rd_kafka_conf_new());
  std::vector<guarded> guards;
  guards.reserve(needed.size() + 2);
  const auto set_ours = [&](const char* name, const std::string& value) { return set(conf.get(), name, value); };

  for (const auto& [name, value] : preferred)
    if (auto done = set_ours(name, value); !done)
      return tl::unexpected(done.error());
  for (const auto& [name, value] : needed)
    if (auto done = value ? set_ours(name, value) : result<void>{}; !done)
      return tl::unexpected(done.error());
  for (const auto& [name, value] : {std::pair{"bootstrap.servers", settings.brokers}, {"group.id", settings.group}})
    if (auto done = set_ours(name, value); !done)
      return tl::unexpected(done.error());

  for (const auto& property : needed)
    guards.push_back({property.name, get(conf.get(), property.name)});
  for (const auto* name : {"bootstrap.servers", "group.id"})
    guards.push_back({name, get(conf.get(), name)});

  for (const auto& [name, value] : settings.properties) {
    if (auto done = set(conf.get(), name, value); !done)
      return tl::unexpected(done.error());
    for (const auto& guard : guards)
      if (get(conf.get(), guard.name) != guard.value)
        return fail(RD_KAFKA_RESP_ERR__INVALID_ARG, refusal(name, value, guard));
  }
  return conf;
}

} // namespace vp::kafka
