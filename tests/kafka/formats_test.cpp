#include "kafka/formats.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <random>

using namespace vp::kafka;
using nlohmann::json;

namespace {

const std::string hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

std::string job_with(const std::string& fields) {
  return R"({"video_hash":")" + hash + "\"" + fields + "}";
}

/// Sentences for a log and a header: short, and with nothing of the value in them.
void check_reason(const std::string& reason) {
  CHECK(!reason.empty());
  CHECK(reason.size() < 100);
  for (const auto c : reason)
    CHECK((c >= ' ' && c <= '~'));
}

std::string refusal(std::string_view value) {
  const auto job = parse_job(value);
  REQUIRE_FALSE(job);
  check_reason(job.error());
  return job.error();
}

std::string nested(std::size_t depth, char open, char close) {
  return std::string(depth, open) + std::string(depth, close);
}

} // namespace

TEST_CASE("a job is read as it was written", "[formats]") {
  const std::string path = "uploads/\"quoted\" \\ \n \xc3\xa9.mp4";
  const auto job = parse_job(job_value(hash, path));
  REQUIRE(job);
  CHECK(job->video_hash == hash);
  CHECK(job->video_path == path);
  CHECK(job_value(hash, "a.mp4") == R"({"version":1,"video_hash":")" + hash + R"(","video_path":"a.mp4"})");
  CHECK(json::parse(job_value("\xff", "\xff"))["video_path"] == "\xef\xbf\xbd");
}

TEST_CASE("jobs of other programs are taken where they say enough", "[formats]") {
  CHECK(parse_job(job_with("")));
  CHECK(parse_job(job_with(R"(,"version":1,"more":{"a":[1,2,{"b":null}]})")));
  CHECK(parse_job(" \n" + job_with(R"( , "video_path" : "x" )") + "\t"));
}

TEST_CASE("what is no job is refused with a reason", "[formats]") {
  CHECK(refusal("") == "not JSON, at byte 1");
  CHECK(refusal("{") == "not JSON, at byte 2");
  CHECK(refusal(job_with("") + "x") == "not JSON, at byte 82");
  CHECK(refusal(std::string("\0", 1)).starts_with("not JSON"));
  CHECK(refusal("\xff\xfe").starts_with("not JSON"));
  CHECK(refusal(job_with(",\"video_path\":\"\xc3\"")).starts_with("not JSON"));
  CHECK(refusal(job_with(",\"x\":1e999999")).starts_with("not JSON"));
  CHECK(refusal("null") == "not a JSON object");
  CHECK(refusal("[]") == "not a JSON object");
  CHECK(refusal("\"" + hash + "\"") == "not a JSON object");
  CHECK(refusal("{}") == "\"video_hash\" is missing");
  CHECK(refusal(R"({"video_hash":17})") == "\"video_hash\" is not a text");
  CHECK(refusal(job_with(",\"video_path\":null")) == "\"video_path\" is not a text");
  for (const auto& wrong : {std::string(), hash.substr(1), hash + "0", "A" + hash.substr(1), "g" + hash.substr(1),
                            "../" + hash.substr(3), hash.substr(1) + "\\u0000"})
    CHECK(refusal(R"({"video_hash":")" + wrong + "\"}") == "\"video_hash\" is not 64 lower-case hex digits");
}

TEST_CASE("only versions that are known are read", "[formats]") {
  for (const auto* wrong : {"0", "-1", "1.0", "\"1\"", "null", "[1]", "true"})
    CHECK(refusal(job_with(",\"version\":" + std::string(wrong))) == "\"version\" is not a whole number from 1 on");
  for (const auto* later : {"2", "4294967297", "18446744073709551615"})
    CHECK(refusal(job_with(",\"version\":" + std::string(later)))
          == "\"version\" is above 1: this program is too old for it");
}

TEST_CASE("sizes and depths have limits", "[formats]") {
  const auto whole = job_with(",\"video_path\":\"" + std::string(max_job_size, 'x') + "\"");
  CHECK(refusal(whole) == "over 65536 bytes");
  const auto padded = job_with("") + std::string(max_job_size - job_with("").size(), ' ');
  CHECK(parse_job(padded));
  CHECK(refusal(padded + " ") == "over 65536 bytes");

  CHECK(refusal(std::string(60'000, '[')).starts_with("not JSON"));
  CHECK(refusal(nested(30'000, '[', ']')) == "nested too deeply");
  CHECK(refusal(job_with(",\"x\":" + nested(30'000, '[', ']'))) == "nested too deeply");
  std::string objects;
  for (int i = 0; i < 10'000; ++i)
    objects += "{\"a\":";
  CHECK(refusal(objects).starts_with("not JSON"));
  CHECK(refusal(objects + "1" + std::string(10'000, '}')) == "nested too deeply");
  CHECK(parse_job(job_with(",\"x\":" + nested(8, '[', ']'))));
}

TEST_CASE("no bytes make a parser fall over", "[formats]") {
  std::mt19937 random(20261124);
  const auto good = job_value(hash, "a.mp4");
  for (int i = 0; i < 20'000; ++i) {
    auto value = good;
    for (auto changes = random() % 4; changes < 4; ++changes)
      value[random() % value.size()] = static_cast<char>(random());
    value.resize(random() % (value.size() + 1));
    if (const auto job = parse_job(value))
      CHECK(job->video_hash.size() == 64);
    else
      check_reason(job.error());
    static_cast<void>(parse_event(value));
  }
}

TEST_CASE("an event is read as it was written", "[formats]") {
  const auto value = event_value(17, hash, "queued", R"({"a":1.5,"b":[true]})");
  CHECK(value == R"({"version":1,"id":17,"video_hash":")" + hash + R"(","kind":"queued","data":{"a":1.5,"b":[true]}})");
  const auto event = parse_event(value);
  REQUIRE(event);
  CHECK(event->id == 17);
  CHECK(event->video_hash == hash);
  CHECK(event->kind == "queued");
  CHECK(json::parse(event->data) == json::parse(R"({"a":1.5,"b":[true]})"));

  for (const auto* wrong : {"", "{", "1,\"id\":18", "\xff"})
    CHECK(parse_event(event_value(1, hash, "x", wrong))->data == "null");
}

TEST_CASE("what is no event is refused with a reason", "[formats]") {
  const auto refusal_of = [](json changed) {
    auto value = json::parse(event_value(1, hash, "x", "{}"));
    value.update(changed);
    const auto event = parse_event(value.dump());
    REQUIRE_FALSE(event);
    check_reason(event.error());
    return event.error();
  };
  CHECK(refusal_of({{"id", -1}}) == "\"id\" is not a whole number from 0 on");
  CHECK(refusal_of({{"id", 1.5}}) == "\"id\" is not a whole number from 0 on");
  CHECK(refusal_of({{"id", 18446744073709551615U}}) == "\"id\" is not a whole number from 0 on");
  CHECK(refusal_of({{"video_hash", "x"}}) == "\"video_hash\" is not 64 lower-case hex digits");
  CHECK(refusal_of({{"kind", nullptr}}) == "\"kind\" is not a text");
  CHECK(refusal_of({{"version", 2}}) == "\"version\" is above 1: this program is too old for it");
}

namespace {

record job_record(std::optional<std::string> key, std::optional<std::string> value) {
  record made;
  made.topic = "video-processing";
  made.at = {3, 41};
  made.key = std::move(key);
  made.value_size = value ? value->size() : 0;
  made.value = std::move(value);
  return made;
}

/// As it comes back from the brokers.
record sent(const message& message) {
  record made;
  made.topic = message.topic;
  made.key = message.key;
  made.value_size = message.value ? message.value->size() : 0;
  made.value = message.value;
  made.headers = message.headers;
  return made;
}

std::chrono::system_clock::time_point noon() {
  return std::chrono::system_clock::from_time_t(1795521600);
}

} // namespace

TEST_CASE("a dead letter carries what somebody needs to judge it", "[formats]") {
  const auto letter = to_dead_letter(job_record(hash, "{}"), "no such video", 4, noon());
  const auto message = to_message(letter, "video-processing.dlq");
  CHECK(message.topic == "video-processing.dlq");
  CHECK(message.key == hash);
  CHECK(message.value == "{}");
  CHECK(message.headers
        == headers{{"reason", "no such video"},
                   {"attempts", "4"},
                   {"origin", "video-processing/3/41"},
                   {"time", "2026-11-24T12:00:00Z"}});
  const auto back = from_record(sent(message));
  REQUIRE(back);
  CHECK(back->key == hash);
  CHECK(back->value == "{}");
  CHECK(back->reason == "no such video");
  CHECK(back->attempts == 4);
  CHECK(back->origin == "video-processing/3/41");
  CHECK(back->time == "2026-11-24T12:00:00Z");
  CHECK(back->original_size == 2);
}

TEST_CASE("a dead letter has a key and is no tombstone, whatever the job was", "[formats]") {
  for (const auto& key : {std::optional<std::string>(), std::optional<std::string>(""),
                          std::optional<std::string>(std::string(1025, 'k'))})
    CHECK(to_dead_letter(job_record(key, "x"), "r", 0).key == "video-processing/3/41");
  CHECK(to_dead_letter(job_record(std::string(1024, 'k'), "x"), "r", 0).key == std::string(1024, 'k'));
  CHECK(to_message(to_dead_letter(job_record(hash, std::nullopt), "r", 0), "t").value == "");
}

TEST_CASE("of a large value a dead letter keeps the beginning", "[formats]") {
  auto job = job_record(hash, std::string(kept_value_size, 'x'));
  job.value_size = 900'000;
  const auto message = to_message(to_dead_letter(job, "r", 1), "t");
  CHECK(message.value == std::string(16 * 1024, 'x'));
  CHECK(message.headers.back() == std::pair<std::string, std::string>("original-size", "900000"));
  CHECK(from_record(sent(message))->original_size == 900'000);

  const auto just = to_message(to_dead_letter(job_record(hash, std::string(16 * 1024, 'x')), "r", 1), "t");
  CHECK(just.value->size() == 16 * 1024);
  CHECK(just.headers.size() == 4);
}

TEST_CASE("a long reason is cut between characters", "[formats]") {
  std::string reason = "x";
  for (int i = 0; i < 1000; ++i)
    reason += "\xc3\xa9";
  const auto kept = to_dead_letter(job_record(hash, "x"), reason, 1).reason;
  CHECK(kept == reason.substr(0, 1023));
}

TEST_CASE("strange dead letters are read as far as they make sense", "[formats]") {
  record strange;
  strange.value = "v";
  strange.value_size = 1;
  strange.headers = {{"attempts", "-1"}, {"original-size", "99999999999999999999999"}, {"reason", ""}, {"x", "y"}};
  const auto letter = from_record(strange);
  REQUIRE(letter);
  CHECK(letter->key.empty());
  CHECK(letter->attempts == 0);
  CHECK(letter->original_size == 1);
  CHECK(letter->origin.empty());
}

TEST_CASE("a tombstone is no dead letter", "[formats]") {
  const auto message = tombstone(hash, "t");
  CHECK(message.topic == "t");
  CHECK(message.key == hash);
  CHECK_FALSE(message.value);
  CHECK_FALSE(from_record(sent(message)));
}
