#include "http/multipart.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

using namespace vp::http;

namespace {

using fields = std::vector<std::pair<std::string, std::string>>;

/// Takes `body` apart when it arrives in pieces of `step` bytes; nothing if it is malformed or ends early.
std::optional<fields> parse(std::string_view body, std::string_view boundary, std::size_t step) {
  multipart_parser parser{boundary};
  std::string window{multipart_parser::opening};
  fields found;
  bool in_part = false;
  for (;;) {
    auto item = parser.next(window);
    if (!item)
      return std::nullopt;
    REQUIRE(item->used <= window.size());
    switch (item->kind) {
    case multipart_parser::kind::need_more:
      if (body.empty())
        return std::nullopt;
      REQUIRE(window.size() < multipart_parser::window_size);
      window.append(body.substr(0, step));
      body.remove_prefix(std::min(step, body.size()));
      continue;
    case multipart_parser::kind::part:
      found.emplace_back(item->name, "");
      in_part = true;
      break;
    case multipart_parser::kind::data:
      if (in_part)
        found.back().second += item->data;
      break;
    case multipart_parser::kind::part_end:
      in_part = false;
      break;
    case multipart_parser::kind::end:
      return found;
    }
    window.erase(0, item->used);
  }
}

const std::string two_parts = "--xyz\r\n"
                              "Content-Disposition: form-data; name=\"note\"\r\n\r\n"
                              "hello\r\n"
                              "--xyz  \r\n"
                              "content-type: application/octet-stream\r\n"
                              "CONTENT-DISPOSITION: form-data; filename=\"a \\\"b\\\".mp4\"; name=\"chunk\"\r\n\r\n"
                              "\r\n--xy\r\n--x\r\r\n-\r\n--xyz--\r\nepilogue";

} // namespace

TEST_CASE("a form comes apart the same wherever its bytes are cut") {
  const fields expected{{"note", "hello"}, {"chunk", "\r\n--xy\r\n--x\r\r\n-"}};
  for (std::size_t step = 1; step <= two_parts.size(); ++step) {
    CAPTURE(step);
    CHECK(parse(two_parts, "xyz", step) == expected);
  }
}

TEST_CASE("a form may have a preamble, empty parts and parts without a name") {
  const std::string body = "this is skipped\r\n--b\r\n\r\nanonymous\r\n--b\r\nContent-Disposition: form-data; "
                           "name=chunk\r\n\r\n\r\n--b--";
  for (std::size_t step = 1; step <= body.size(); ++step) {
    CAPTURE(step);
    CHECK(parse(body, "b", step) == fields{{"", "anonymous"}, {"chunk", ""}});
  }
}

TEST_CASE("binary content passes unchanged") {
  std::string content;
  for (unsigned i = 0; i < 300'000; ++i)
    content += static_cast<char>(i * 7919 >> 3);
  for (std::size_t at = 100; at < content.size(); at += 9973)
    content.replace(at, 6, "\r\n--bo");
  const auto body = "--boundary\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"x\"\r\n\r\n" + content
                    + "\r\n--boundary--\r\n";
  for (std::size_t step : {1000, 4096, 15000}) {
    CAPTURE(step);
    CHECK(parse(body, "boundary", step) == fields{{"chunk", content}});
  }
}

TEST_CASE("a form that ends anywhere before its closing boundary is not whole") {
  const auto end = two_parts.find("--xyz--") + 7;
  for (std::size_t size = 0; size < end; ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse(two_parts.substr(0, size), "xyz", 7));
  }
  CHECK(parse(two_parts.substr(0, end), "xyz", 7));
}

TEST_CASE("hostile forms are refused") {
  CHECK_FALSE(parse("--b garbage\r\n\r\nx\r\n--b--", "b", 3));
  CHECK_FALSE(parse("--b" + std::string(100'000, ' '), "b", 1000));
  CHECK_FALSE(parse("--b\r\n" + std::string(100'000, 'x'), "b", 1000));
  CHECK_FALSE(parse("--b\r\nX: " + std::string(9'000, 'x') + "\r\n\r\n\r\n--b--", "b", 20'000));
  CHECK_FALSE(parse(std::string(100'000, '\r'), "b", 1000));
}

TEST_CASE("the boundary is found in the content type") {
  CHECK(multipart_boundary("multipart/form-data; boundary=abc") == "abc");
  CHECK(multipart_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"") == "a b");
  for (const std::string& text :
       {std::string{"application/octet-stream"}, std::string{"multipart/form-data"},
        std::string{"multipart/mixed; boundary=a"}, std::string{"multipart/form-data; boundary="},
        "multipart/form-data; boundary=" + std::string(71, 'a'), std::string{}}) {
    CAPTURE(text);
    CHECK_FALSE(multipart_boundary(text));
  }
}
