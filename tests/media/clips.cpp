#include "clips.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <unistd.h>

namespace fs = std::filesystem;

namespace clips {

namespace {

fs::path folder() {
  const fs::path path(VIDPIPELINE_CLIPS_DIR);
  fs::create_directories(path);
  return path;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

} // namespace

fs::path make(const std::string& name, const std::string& arguments) {
  // The arguments are part of the name, so that a clip whose recipe changes is made anew.
  const fs::path wanted(name);
  const auto recipe = std::hash<std::string>{}(arguments)&0xffffff;
  const auto path = folder() / fmt::format("{}-{:06x}{}", wanted.stem().string(), recipe, wanted.extension().string());
  if (fs::exists(path))
    return path;
  // Tests run side by side, each in a process: a clip gets its name when it is whole.
  const auto making = folder() / fmt::format("making-{}-{}", ::getpid(), path.filename().string());
  const auto command = fmt::format("ffmpeg -v error -nostdin -y {} '{}'",
                                   replaced(arguments, "{dir}", folder().string()), making.string());
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
  fs::rename(making, path);
  return path;
}

std::string numbered(int width, int height, const std::string& rate, int frames) {
  // A black field over the middle half of both sides, in it 6 x 2 white blocks, the lowest bit first.
  auto graph = fmt::format("testsrc2=s={}x{}:r={},trim=end_frame={},format=yuv420p", width, height, rate, frames);
  const auto box = [&](const std::string& x, const std::string& y, const std::string& w, const std::string& h,
                       const std::string& colour, const std::string& enable) {
    graph += fmt::format(",drawbox=x={}:y={}:w={}:h={}:c={}:t=fill{}", x, y, w, h, colour,
                         enable.empty() ? "" : ":enable='" + enable + "'");
  };
  box("iw/4", "ih/4", "iw/2", "ih/2", "black", "");
  for (int bit = 0; bit < 12; ++bit)
    box(fmt::format("iw*{}/12", 3 + bit % 6), fmt::format("ih*{}/4", 1 + bit / 6), "iw/12", "ih/4", "white",
        fmt::format("gte(mod(floor(n/{}),2),1)", 1 << bit));
  box("0", "0", "iw/6", "ih/6", "red", "");
  box("iw*5/6", "0", "iw/6", "ih/6", "lime", "");
  box("iw*5/6", "ih*5/6", "iw/6", "ih/6", "blue", "");
  box("0", "ih*5/6", "iw/6", "ih/6", "white", "");
  return graph;
}

std::string tones(const std::vector<double>& frequencies, int rate, double seconds, const std::string& layout) {
  std::string channels;
  for (const auto frequency : frequencies)
    channels += fmt::format("{}{}*sin(2*PI*{}*t)", channels.empty() ? "" : "|", frequency > 0 ? 0.25 : 0.0, frequency);
  return fmt::format("aevalsrc='{}':s={}:d={}:c={}", channels, rate, seconds, layout);
}

std::vector<unsigned char> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const fs::path& path, std::span<const unsigned char> bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.flush());
}

std::string output_of(const std::string& command) {
  INFO(command);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), [](FILE* f) { return ::pclose(f); });
  REQUIRE(pipe);
  std::string out;
  std::array<char, 4096> block{};
  while (const auto got = std::fread(block.data(), 1, block.size(), pipe.get()))
    out.append(block.data(), got);
  return out;
}

namespace {

long megabytes(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(what + ":"))
      return std::stol(line.substr(what.size() + 1)) / 1000;
  return 0;
}

} // namespace

memory_watch::memory_watch() {
  std::ofstream("/proc/self/clear_refs") << 5; // VmHWM counts anew
  before_ = megabytes("VmRSS");
}

long memory_watch::peak() const {
  return megabytes("VmHWM") - before_;
}

vp::result<std::size_t> memory_source::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  if (offset >= bytes_.size())
    return 0;
  const auto count = std::min<std::uint64_t>(into.size(), bytes_.size() - offset);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
  return count;
}

} // namespace clips
