#include "http/byte_range.hpp"
#include "http/events_api.hpp"
#include "http/target.hpp"
#include "http/upload_request.hpp"
#include "http/validators.hpp"

#include <catch2/catch.hpp>

using namespace vp;
using namespace vp::http;

TEST_CASE("a target is split before it is decoded") {
  const auto plain = parse_target("/videos/a%20b?x=1&y=%2F");
  REQUIRE(plain);
  CHECK(plain->segments == std::vector<std::string>{"videos", "a b"});
  CHECK_FALSE(plain->trailing_slash);
  CHECK(query_value(plain->query, "y") == "/");
  CHECK(query_value(plain->query, "x") == "1");
  CHECK_FALSE(query_value(plain->query, "z"));

  const auto root = parse_target("/");
  REQUIRE(root);
  CHECK(root->segments.empty());
  CHECK(root->trailing_slash);

  const auto slash = parse_target("/videos/");
  REQUIRE(slash);
  CHECK(slash->segments == std::vector<std::string>{"videos"});
  CHECK(slash->trailing_slash);

  const auto absolute = parse_target("http://host:8000/videos?x");
  REQUIRE(absolute);
  CHECK(absolute->segments == std::vector<std::string>{"videos"});
}

TEST_CASE("a target that names nothing is refused") {
  for (const char* text : {"/..", "/a/../b", "/a/.", "/%2e%2e/etc/passwd", "/%2E./x", "/a%2fb", "/a%2Fb", "/a%00b"}) {
    CAPTURE(text);
    const auto parsed = parse_target(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == errc::not_found);
  }
  for (const char* text : {"", "videos", "*", "/%", "/%2", "/%zz", "/%+1", "/a%2"}) {
    CAPTURE(text);
    const auto parsed = parse_target(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == errc::invalid_request);
  }
}

TEST_CASE("percent-decoding yields every byte") {
  for (int byte = 0; byte < 256; ++byte) {
    char text[4];
    std::snprintf(text, sizeof(text), "%%%02X", static_cast<unsigned>(byte));
    CHECK(percent_decode(text) == std::string(1, static_cast<char>(byte)));
  }
}

TEST_CASE("one range or suffix is honoured") {
  using kind = range_kind;
  CHECK(choose_range("bytes=0-99", 1000) == byte_range{kind::part, 0, 100});
  CHECK(choose_range("bytes=0-0", 1000) == byte_range{kind::part, 0, 1});
  CHECK(choose_range("bytes=900-", 1000) == byte_range{kind::part, 900, 100});
  CHECK(choose_range("bytes=900-5000", 1000) == byte_range{kind::part, 900, 100});
  CHECK(choose_range("bytes=-100", 1000) == byte_range{kind::part, 900, 100});
  CHECK(choose_range("bytes=-5000", 1000) == byte_range{kind::part, 0, 1000});
  CHECK(choose_range("Bytes = 5-6 ", 1000) == byte_range{kind::part, 5, 2});
  CHECK(choose_range("bytes=0-99999999999999999999999", 1000) == byte_range{kind::part, 0, 1000});
}

TEST_CASE("a range past the end can't be satisfied") {
  for (const char* text : {"bytes=1000-", "bytes=1000-1000", "bytes=-0", "bytes=99999999999999999999-"}) {
    CAPTURE(text);
    CHECK(choose_range(text, 1000).kind == range_kind::unsatisfiable);
  }
  CHECK(choose_range("bytes=0-", 0).kind == range_kind::unsatisfiable);
  CHECK(choose_range("bytes=-5", 0).kind == range_kind::unsatisfiable);
}

TEST_CASE("other ranges mean the whole") {
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1-2,4-5", "lines=1-2",
                           "bytes=+1-2", "bytes=1--2", "bytes=0x1-2"}) {
    CAPTURE(text);
    CHECK(choose_range(text, 1000) == byte_range{range_kind::whole, 0, 1000});
  }
}

TEST_CASE("dates are written and read as HTTP spells them") {
  CHECK(format_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(parse_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  for (const char* text : {"", "yesterday", "Sun, 06 Nov 1994 08:49:37 GMT and more", "1994-11-06"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_date(text));
  }
}

TEST_CASE("conditions compare tags before dates") {
  const validators current{"\"a-b\"", 784111777};
  const auto with = [](field name, const char* value) {
    request_head head;
    head.set(name, value);
    return head;
  };
  CHECK(is_not_modified(with(field::if_none_match, "\"a-b\""), current));
  CHECK(is_not_modified(with(field::if_none_match, "W/\"a-b\""), current));
  CHECK(is_not_modified(with(field::if_none_match, "\"x\", \"a-b\""), current));
  CHECK(is_not_modified(with(field::if_none_match, "*"), current));
  CHECK_FALSE(is_not_modified(with(field::if_none_match, "\"a\""), current));
  CHECK_FALSE(is_not_modified(with(field::if_none_match, "a-b"), current));
  CHECK_FALSE(is_not_modified(with(field::if_none_match, "\"a-b"), current));
  CHECK(is_not_modified(with(field::if_modified_since, "Sun, 06 Nov 1994 08:49:37 GMT"), current));
  CHECK_FALSE(is_not_modified(with(field::if_modified_since, "Sun, 06 Nov 1994 08:49:36 GMT"), current));
  CHECK_FALSE(is_not_modified(request_head{}, current));

  auto both = with(field::if_none_match, "\"other\"");
  both.set(field::if_modified_since, "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK_FALSE(is_not_modified(both, current));

  CHECK(range_applies(request_head{}, current));
  CHECK(range_applies(with(field::if_range, "\"a-b\""), current));
  CHECK_FALSE(range_applies(with(field::if_range, "W/\"a-b\""), current));
  CHECK_FALSE(range_applies(with(field::if_range, "\"b\""), current));
  CHECK(range_applies(with(field::if_range, "Sun, 06 Nov 1994 08:49:37 GMT"), current));
  CHECK_FALSE(range_applies(with(field::if_range, "Sun, 06 Nov 1994 08:49:36 GMT"), current));
}

TEST_CASE("an upload request is checked field by field") {
  const auto good = parse_upload_request(
      R"({"title": "t", "total_chunks": 3, "file_size": 5368709120, "chunk_size": 5.0, "description": null, "x": [1]})");
  REQUIRE(good);
  CHECK(good->title == "t");
  CHECK(good->total_chunks == 3);
  CHECK(good->file_size == 5368709120);
  CHECK(good->chunk_size == 5);
  CHECK(good->description.empty());

  for (const char* text : {"", "{", "no", "{\"title\": \"\xff\"}"}) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_upload_request(text));
    CHECK(parse_upload_request(text).error().code == status::bad_request);
  }
  for (const char* text : {
           "[]",
           "{}",
           R"({"title": "t", "file_size": 1})",
           R"({"title": "t", "total_chunks": 1})",
           R"({"title": "", "total_chunks": 1, "file_size": 1})",
           R"({"title": 5, "total_chunks": 1, "file_size": 1})",
           R"({"title": "t", "total_chunks": "1", "file_size": 1})",
           R"({"title": "t", "total_chunks": -1, "file_size": 1})",
           R"({"title": "t", "total_chunks": 1.5, "file_size": 1})",
           R"({"title": "t", "total_chunks": 4294967296, "file_size": 1})",
           R"({"title": "t", "total_chunks": 1, "file_size": true})",
           R"({"title": "t", "total_chunks": 1, "file_size": 1e300})",
           R"({"title": "t", "total_chunks": 1, "file_size": 1, "mime_type": {}})",
       }) {
    CAPTURE(text);
    REQUIRE_FALSE(parse_upload_request(text));
    CHECK(parse_upload_request(text).error().code == status::unprocessable_entity);
  }
  CHECK(parse_upload_request(R"({"title": "t", "total_chunks": "1"})").error().detail
        == "total_chunks: must be a whole number from 0 on");
}

TEST_CASE("an event has its id, its kind and each line of its data") {
  CHECK(format_event(7, "progress", "{}") == "id: 7\nevent: progress\ndata: {}\n\n");
  CHECK(format_event(0, "x", "a\nb") == "event: x\ndata: a\ndata: b\n\n");
}
