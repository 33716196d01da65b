// Analyzes one file, for tests that watch a process from outside what it opens.

#include "media/analyze.hpp"

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2)
    return 2;
  const auto source = vp::media::open_file(argv[1]);
  if (!source) {
    std::puts(source.error().text.c_str());
    return 2;
  }
  const auto made = vp::media::analyze(**source, "probe", {}, vp::media::interrupt(std::chrono::seconds(30)));
  std::puts(made ? "good" : made.error().text.c_str());
  return made ? 0 : 1;
}
