#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path root = VIDPIPELINE_SOURCE_DIR;

bool is_source(const fs::path& path) {
  return path.extension() == ".hpp" || path.extension() == ".cpp";
}

/// `file includes what` for each forbidden include in a folder that is not allowed all the same; those are given as
/// they begin, with their quote or bracket.
std::vector<std::string> offences(const char* folder, std::initializer_list<std::string_view> forbidden,
                                  std::initializer_list<std::string_view> allowed = {}) {
  std::vector<std::string> found;
  if (!fs::exists(root / folder))
    return found;
  for (auto& entry : fs::recursive_directory_iterator{root / folder}) {
    if (!entry.is_regular_file() || !is_source(entry.path()))
      continue;
    std::ifstream in{entry.path()};
    for (std::string line; std::getline(in, line);) {
      constexpr std::string_view directive = "#include ";
      if (!line.starts_with(directive))
        continue;
      auto what = std::string_view{line}.substr(directive.size());
      const auto names = [&](auto& one) { return what.starts_with(one); };
      if (std::any_of(forbidden.begin(), forbidden.end(), names) && std::none_of(allowed.begin(), allowed.end(), names))
        found.push_back(fs::relative(entry.path(), root).string() + " includes " + std::string{what});
    }
  }
  return found;
}

const std::vector<std::string> none;

} // namespace

TEST_CASE("nodes are processes, and know no actors", "[include_rules]") {
  CHECK(offences("nodes", {"<caf/", "\"actors/", "\"http/", "\"cli/", "\"kafka/", "\"media/"}, {"\"media/error.hpp\""})
        == none);
}

TEST_CASE("media and kafka know neither actors nor the network nor each other", "[include_rules]") {
  REQUIRE(fs::exists(root / "media" / "types.hpp"));
  CHECK(offences("media", {"<caf/", "<boost/asio", "<boost/beast", "\"actors/", "\"http/", "\"cli/", "\"kafka/"})
        == none);
  CHECK(offences("kafka", {"<caf/", "<boost/asio", "<boost/beast", "\"actors/", "\"http/", "\"cli/", "\"media/"})
        == none);
}

TEST_CASE("only the actors know CAF", "[include_rules]") {
  for (auto* folder : {"http", "cli", "client"})
    CHECK(offences(folder, {"<caf/"}) == none);
}

TEST_CASE("HTTP knows what the actors say, and no actor", "[include_rules]") {
  CHECK(offences("http", {"\"actors/"},
                 {"\"actors/messages.hpp\"", "\"actors/json.hpp\"", "\"actors/interfaces.hpp\"", "\"actors/ask.hpp\""})
        == none);
}

TEST_CASE("the actors know nothing of HTTP", "[include_rules]") {
  CHECK(offences("actors", {"\"http/", "\"cli/", "<boost/beast"}) == none);
}

TEST_CASE("an offence is noticed", "[include_rules]") {
  CHECK_FALSE(offences("actors", {"<caf/"}).empty());
}
