// The dead letters of the Kafka job queue: what could not be done, and why. `retry` gives a failed video another start
// at the server, and any other message back to the queue.

#include "actors/messages.hpp"
#include "cli/api_client.hpp"
#include "cli/commands.hpp"
#include "cli/kafka_options.hpp"
#include "cli/terminal.hpp"
#include "kafka/formats.hpp"
#include "kafka/producer.hpp"
#include "kafka/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vp::cli {

namespace {

struct dlq_options {
  kafka_options kafka;
  std::string server;
  std::vector<std::string> keys;
  bool all = false;
};

template <class T>
result<T> to_ours(kafka::result<T> from) {
  if (!from)
    return fail(errc::io_failed, "Kafka: " + from.error().text);
  return std::move(*from);
}

result<kafka::settings> settings_of(const dlq_options& options) {
  auto chosen = options.kafka.chosen();
  if (!chosen)
    return fail(errc::invalid_request, "dead letters are Kafka's: say where it is with --kafka, such as "
                                       "--kafka localhost:9092");
  if (auto valid = kafka::check(*chosen); !valid)
    return fail(errc::invalid_request, valid.error().text);
  return std::move(*chosen);
}

/// The dead letters that nobody has taken back, the newest of each key, oldest first.
result<std::vector<kafka::dead_letter>> read_letters(const kafka::settings& settings) {
  constexpr std::chrono::seconds patience{30};
  auto records = to_ours(kafka::read_all(settings, settings.dead_topic(), patience));
  if (!records)
    return tl::unexpected(records.error());
  std::map<std::string, kafka::dead_letter> newest;
  for (const auto& record : *records) {
    auto key = record.key.value_or("");
    newest.erase(key);
    if (auto letter = kafka::from_record(record))
      newest.emplace(key, std::move(*letter));
  }
  std::vector<kafka::dead_letter> letters;
  letters.reserve(newest.size());
  for (auto& [key, letter] : newest)
    letters.push_back(std::move(letter));
  std::sort(letters.begin(), letters.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
  return letters;
}

result<void> list(const dlq_options& options) {
  auto settings = settings_of(options);
  if (!settings)
    return tl::unexpected(settings.error());
  auto letters = read_letters(*settings);
  if (!letters)
    return tl::unexpected(letters.error());
  fmt::print("{:<20}  {:>8}  {:<24}  {:<16}  {}\n", "TIME", "ATTEMPTS", "ORIGIN", "KEY", "REASON");
  for (const auto& letter : *letters)
    fmt::print("{:<20}  {:>8}  {:<24}  {:<16.16}  {}\n", printable(letter.time), letter.attempts,
               printable(letter.origin), printable(letter.key), printable(letter.reason));
  return {};
}

/// The letters that the words name: by key or its beginning.
result<std::vector<kafka::dead_letter>> choose(const dlq_options& options, std::vector<kafka::dead_letter> letters) {
  if (options.all)
    return letters;
  std::vector<kafka::dead_letter> chosen;
  for (const auto& word : options.keys) {
    auto matches = [&](const kafka::dead_letter& letter) { return letter.key.starts_with(word); };
    auto found = std::find_if(letters.begin(), letters.end(), matches);
    if (found == letters.end())
      return fail(errc::not_found, fmt::format("no dead letter's key begins with '{}'", word));
    if (std::find_if(found + 1, letters.end(), matches) != letters.end())
      return fail(errc::conflict, fmt::format("the keys of several dead letters begin with '{}'", word));
    chosen.push_back(std::move(*found));
    letters.erase(found);
  }
  return chosen;
}

result<void> send(kafka::producer& producer, const kafka::message& message) {
  if (auto sent = producer.send({&message, 1}); sent.problem)
    return fail(errc::io_failed, "Kafka: " + sent.problem->text);
  return {};
}

/// Starts the letter's video again or, where there is none to start, puts the message back; says which.
result<std::string> start_again(const kafka::settings& settings, api_client& server, kafka::producer& producer,
                                const kafka::dead_letter& letter) {
  result<nlohmann::json> restarted = fail(errc::not_found, "the message names no video");
  if (is_video_hash(letter.key))
    restarted = server.post("/videos/" + letter.key + "/retry");
  if (restarted)
    return "started again";
  // Without the server nobody knows whether the video has to be queued first.
  if (restarted.error().code != errc::not_found && restarted.error().code != errc::conflict)
    return tl::unexpected(restarted.error());
  if (letter.original_size > letter.value.size())
    return fail(errc::invalid_request, fmt::format("the message {} was too large to be kept whole", letter.origin));
  if (auto sent = send(producer, {settings.jobs_topic, letter.key, letter.value, {}}); !sent)
    return tl::unexpected(sent.error());
  return "back in the queue";
}

/// The letter goes off the list first: what fails at once, again, has written the next one before we hear of it.
result<void> retry_one(const kafka::settings& settings, api_client& server, kafka::producer& producer,
                       const kafka::dead_letter& letter) {
  if (auto gone = send(producer, kafka::tombstone(letter.key, settings.dead_topic())); !gone)
    return gone;
  auto done = start_again(settings, server, producer, letter);
  if (!done) {
    auto restored = send(producer, kafka::to_message(letter, settings.dead_topic()));
    return restored ? tl::unexpected(done.error()) : restored;
  }
  fmt::print("{}  {}\n", printable(letter.key), *done);
  return {};
}

result<void> retry(const dlq_options& options) {
  if (options.all == !options.keys.empty())
    return fail(errc::invalid_request, "say which: the beginning of a key as `dlq list` shows it, or --all");
  auto settings = settings_of(options);
  if (!settings)
    return tl::unexpected(settings.error());
  auto letters = read_letters(*settings);
  if (letters)
    letters = choose(options, std::move(*letters));
  if (!letters)
    return tl::unexpected(letters.error());
  auto producer = to_ours(kafka::producer::open(*settings));
  if (!producer)
    return tl::unexpected(producer.error());
  api_client server{options.server};
  result<void> outcome;
  for (const auto& letter : *letters) {
    auto done = retry_one(*settings, server, *producer, letter);
    if (!done)
      outcome = done;
    // A message that can't be put back keeps none of the others from it.
    if (!done && done.error().code != errc::invalid_request)
      return done;
  }
  return outcome;
}

} // namespace

void add_dlq(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<dlq_options>();
  auto* command = app.add_subcommand("dlq", "The dead letters of the Kafka job queue");
  add_kafka_options(*command, options->kafka);
  server_option(*command, options->server);
  command->require_subcommand(1);
  command->fallthrough();
  command->add_subcommand("list", "List the jobs that could not be done, and why")->callback([options, &exit_code] {
    exit_code = report(list(*options));
  });
  auto* again = command->add_subcommand("retry", "Try them once more");
  again->add_option("KEY", options->keys, "The beginning of a key, as `dlq list` shows it");
  again->add_flag("--all", options->all, "All of them");
  again->callback([options, &exit_code] { exit_code = report(retry(*options)); });
}

} // namespace vp::cli
