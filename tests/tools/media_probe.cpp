// media_probe FILE [CPU_FLAGS]: analyzes a file and encodes it, on a processor that can do only so much, for tests that
// look at a process from outside: what it opens, and what it makes. Prints a digest of the fragments and the poster.

#include "media/analyze.hpp"
#include "media/portable_math.hpp"
#include "media/segment_encoder.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

int fail(int status, const vp::error& problem) {
  std::puts(problem.text.c_str());
  return status;
}

/// FNV-1a.
void add(std::uint64_t& digest, const std::vector<unsigned char>& bytes) {
  for (const auto byte : bytes)
    digest = (digest ^ byte) * 1099511628211U;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  if (argc > 2)
    vp::media::pretend_processor(std::atoi(argv[2]));
  const auto source = vp::media::open_file(argv[1]);
  if (!source)
    return fail(2, source.error());
  const vp::media::interrupt limit(std::chrono::seconds(60));
  const auto made = vp::media::analyze(**source, {}, limit);
  if (!made)
    return fail(1, made.error());
  const auto encoder = vp::media::segment_encoder::open(**source, made->plan);
  if (!encoder)
    return fail(1, encoder.error());
  std::uint64_t digest = 14695981039346656037U;
  for (const auto& cell : made->segments) {
    std::vector<std::string> wanted;
    for (const auto& rendition : made->plan.renditions)
      wanted.push_back(rendition.id);
    if (vp::media::poster_cell(made->plan, made->segments) == cell.number)
      wanted.emplace_back(vp::media::poster_id);
    const auto fragments = (*encoder)->encode(cell, wanted, limit);
    if (!fragments)
      return fail(1, fragments.error());
    for (const auto& fragment : *fragments)
      add(digest, fragment.bytes);
  }
  std::printf("good %016llx\n", static_cast<unsigned long long>(digest));
}
