#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

using namespace vp;

namespace {

// A value of each registered type in which every field has a value of its own. A type without one doesn't compile.

template <class T>
T sample();

template <>
bytes sample() {
  return bytes{{0, 1, 127, 128, 255}};
}

template <>
video_status sample() {
  return video_status::processing;
}

template <>
segment_run sample() {
  return {2, 4};
}

template <>
time_span sample() {
  return {1.5, 2.25};
}

template <>
rendition_progress sample() {
  return {"720p", 3, 7, {sample<segment_run>()}, {5, 6}, true};
}

template <>
progress sample() {
  return {"encoding", 4, 9, {sample<rendition_progress>(), {"audio", 1, 2, {}, {}}}, 12.5, {sample<time_span>()}};
}

template <>
video sample() {
  video x;
  x.id = 42;
  x.hash = test::hash_of('a');
  x.title = "a title";
  x.description = "a description";
  x.mime_type = "video/mp4";
  x.fingerprint = "print";
  x.file_size = std::uint64_t{1} << 40U;
  x.total_chunks = 7;
  x.received_chunks = 5;
  x.chunk_size = 1 << 20;
  x.status = video_status::failed;
  x.error = "why";
  x.attempts = 2;
  x.uploads = 3;
  x.width = 1920;
  x.height = 1080;
  x.duration = 1.25;
  x.codec = "h264";
  x.actual_mime_type = "video/x-matroska";
  x.has_poster = true;
  x.progress = sample<progress>();
  x.created_at = "2023-11-14T22:13:20.000Z";
  x.updated_at = "2023-11-14T22:13:21.000Z";
  return x;
}

template <>
upload_request sample() {
  return {"title", "description", "video/mp4", "print", 25, 3, 10};
}

template <>
upload_state sample() {
  return {sample<video>(), true, {1, 2, 3}};
}

template <>
chunk_ticket sample() {
  return {9, true, 77};
}

template <>
chunk_receipt sample() {
  return {test::hash_of('b'), 1, 2, 3, 4, {5, 6}};
}

template <>
media::byte_range sample() {
  return {7, 1234567890123};
}

template <>
arrival sample() {
  return {{sample<media::byte_range>(), {1, 2}}, true, true, {{3, 4}}, 5};
}

template <>
job sample() {
  return {5, test::hash_of('c')};
}

template <>
event sample() {
  return {6, test::hash_of('d'), "started", R"({"kind":"started"})"};
}

template <>
outbox_row sample() {
  return {17, true, test::hash_of('1'), "queued", "{}"};
}

template <>
std::vector<outbox_row> sample() {
  return {sample<outbox_row>(), {}};
}

template <>
publication sample() {
  return {sample<std::vector<outbox_row>>(), 300};
}

template <>
refused_job sample() {
  return {"key", "value", 5, "reason", 3, "topic/1/2", "2023-11-14T22:13:20Z"};
}

template <>
queue_status sample() {
  return {"kafka", false, "away", 12};
}

template <>
claim sample() {
  return {test::hash_of('e'), "owner", 11};
}

template <>
stored_fragment sample() {
  return {"720p-0000cafe", 1, -2, 3, 4};
}

template <>
media::plan sample() {
  auto x = test::make_plan();
  x.source.video = media::video_stream{};
  x.source.video->codec = "hevc";
  x.source.video->rotation = 270;
  x.source.audio = media::audio_stream{};
  x.source.audio->channels = 6;
  x.source.warnings = {"careful"};
  return x;
}

template <>
claimed_job sample() {
  return {sample<claim>(),       sample<video>(),        true,
          sample<media::plan>(), test::make_segments(3), {sample<stored_fragment>()}};
}

template <>
source_ref sample() {
  return {test::hash_of('f'), "/a/path", 12345, 7, media::arrival::arriving, 8};
}

template <>
media::encode_settings sample() {
  return {"libx264", "slow", 18.5, "salt", true};
}

template <>
analyze_task sample() {
  return {sample<source_ref>(), sample<media::encode_settings>()};
}

template <>
media::segment sample() {
  return {1, -2, 3, 4, 5, 6, {7, 8}, {9, 10}};
}

template <>
segment_task sample() {
  return {sample<source_ref>(), sample<media::plan>(), sample<media::segment>(), {"720p-0000cafe"}};
}

template <>
encoded_fragment sample() {
  return {"720p-0000cafe", 1, -2, 3, 4, sample<bytes>()};
}

template <>
segment_result sample() {
  return {test::hash_of('a'), 1, {sample<encoded_fragment>()}, 99};
}

template <>
cell_part sample() {
  return {3, 0b101};
}

template <>
viewer_needs sample() {
  return {{sample<cell_part>()}, {{4, 0b001}}, 1, 2, {{5, 0b010}}, 3};
}

template <>
cell_order sample() {
  return {sample<media::segment>(), 0b11, 0b10};
}

template <>
job_order sample() {
  return {sample<source_ref>(), sample<media::plan>(), {sample<cell_order>()}, {sample<cell_part>()}};
}

template <>
fragment_wish sample() {
  return {test::hash_of('a'), "720p-0000cafe", 7, "10.0.0.1"};
}

template <>
job_end sample() {
  return job_end::put_back;
}

template <>
job_outcome sample() {
  return {test::hash_of('a'), job_end::failed, "why"};
}

template <>
encoder_info sample() {
  return {"node", 3, "run"};
}

template <>
encoder_status sample() {
  return {sample<encoder_info>(), true, true, true, test::hash_of('a'), 4, 5, 6, 0.5};
}

template <>
worker_limits sample() {
  return {std::chrono::seconds(1), std::chrono::seconds(2)};
}

template <>
dispatcher_status sample() {
  return {{sample<encoder_status>()}, 2, 3};
}

template <>
media::init_segment sample() {
  return {"720p-0000cafe", {1, 2, 3}};
}

template <>
media::analysis sample() {
  return test::make_analysis(2);
}

template <>
std::vector<std::uint32_t> sample() {
  return {0, 1, 0xffffffff};
}

template <>
std::vector<std::string> sample() {
  return {"", "one", "two"};
}

template <>
std::vector<video> sample() {
  return {sample<video>(), {}};
}

template <>
std::vector<job> sample() {
  return {sample<job>(), {}};
}

template <>
std::vector<event> sample() {
  return {sample<event>(), {}};
}

template <>
std::vector<stored_fragment> sample() {
  return {sample<stored_fragment>(), {}};
}

template <>
std::vector<media::segment> sample() {
  return test::make_segments(5);
}

template <>
std::vector<media::byte_range> sample() {
  return {sample<media::byte_range>(), {}};
}

template <>
std::vector<cell_part> sample() {
  return {sample<cell_part>(), {}};
}

struct wire_fixture : test::actor_fixture {
  std::vector<char> write(const caf::message& what) {
    std::vector<char> buffer;
    caf::binary_serializer sink{sys, buffer};
    if (auto problem = sink(what))
      FAIL(sys.render(problem));
    return buffer;
  }

  caf::message read(const std::vector<char>& buffer) {
    caf::message what;
    caf::binary_deserializer source{sys, buffer};
    if (auto problem = source(what))
      FAIL(sys.render(problem));
    return what;
  }

  template <class T>
  void round_trip(const T& value) {
    INFO(caf::type_name<T>::value);
    auto sent = caf::make_message(value);
    auto buffer = write(sent);
    auto received = read(buffer);
    REQUIRE(received.template match_elements<T>());
    CHECK(caf::deep_to_string(received.template get_as<T>(0)) == caf::deep_to_string(value));
    CHECK(write(received) == buffer);
    if constexpr (requires { value == value; })
      CHECK(received.template get_as<T>(0) == value);
  }

  template <std::uint16_t First, std::uint16_t... Is>
  void round_trip_all(std::integer_sequence<std::uint16_t, Is...>) {
    (round_trip(sample<typename caf::type_by_id<First + Is>::type>()), ...);
  }

  template <class Handle>
  void round_trip_handle(const caf::actor& whom) {
    round_trip(caf::actor_cast<Handle>(whom));
  }

  template <std::uint16_t First, std::uint16_t... Is>
  void round_trip_handles(const caf::actor& whom, std::integer_sequence<std::uint16_t, Is...>) {
    (round_trip_handle<typename caf::type_by_id<First + Is>::type>(whom), ...);
  }
};

} // namespace

TEST_CASE_METHOD(wire_fixture, "every registered type crosses a network as it is", "[messages]") {
  using types = caf::id_block::vidpipeline;
  round_trip_all<types::begin>(std::make_integer_sequence<std::uint16_t, types::end - types::begin>{});
  using node_types = caf::id_block::vidpipeline_nodes;
  round_trip_all<node_types::begin>(std::make_integer_sequence<std::uint16_t, node_types::end - node_types::begin>{});
}

TEST_CASE_METHOD(wire_fixture, "so does every registered handle", "[messages]") {
  using types = caf::id_block::vidpipeline_handles;
  auto whom = spawn([](caf::event_based_actor*) -> caf::behavior { return {[](caf::ok_atom) {}}; });
  round_trip_handles<types::begin>(whom, std::make_integer_sequence<std::uint16_t, types::end - types::begin>{});
  using node_types = caf::id_block::vidpipeline_node_handles;
  round_trip_handles<node_types::begin>(
      whom, std::make_integer_sequence<std::uint16_t, node_types::end - node_types::begin>{});
}

TEST_CASE_METHOD(wire_fixture, "what is cut short or no plan is an error", "[messages]") {
  std::vector<char> buffer;
  caf::binary_serializer whole{sys, buffer};
  CHECK_FALSE(whole(sample<video>()));
  buffer.resize(buffer.size() / 2);
  video known;
  caf::binary_deserializer cut{sys, buffer};
  CHECK(cut(known));

  std::vector<char> text;
  caf::binary_serializer sink{sys, text};
  CHECK_FALSE(sink(std::string{"no plan"}));
  media::plan plan;
  caf::binary_deserializer source{sys, text};
  CHECK(source(plan));
}

TEST_CASE("errors keep their code and their words", "[messages]") {
  auto code = GENERATE(range(1, static_cast<int>(errc::internal) + 1));
  error one{static_cast<errc>(code), "in words"};
  CHECK(from_caf(to_caf(one)) == one);
  CHECK(from_caf(caf::make_error(caf::sec::request_timeout)).code == errc::timed_out);
  CHECK(from_caf(caf::make_error(caf::sec::request_receiver_down)).code == errc::overloaded);
  CHECK(from_caf(caf::make_error(caf::sec::runtime_error)).code == errc::internal);
}

TEST_CASE("a status is spelled as it is read", "[messages]") {
  for (auto status : {video_status::uploading, video_status::queued, video_status::processing, video_status::completed,
                      video_status::failed})
    CHECK(parse_status(to_string(status)) == status);
  CHECK_FALSE(parse_status("Completed"));
  CHECK_FALSE(parse_status(""));
}
