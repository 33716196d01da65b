#include "media/ladder.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace vp::media {

namespace {

struct step {
  int side;
  int bitrate;
};
constexpr std::array<step, 5> steps{
    {{1080, 5'000'000}, {720, 3'000'000}, {480, 1'500'000}, {360, 800'000}, {144, 200'000}}};

/// A source this little above a step is made smaller rather than given a rung of its own.
constexpr double own_rung_above = 1.05;

constexpr int longest_side = 4096;

/// 4:2:0 has whole pairs of pixels only, so two is the least.
int even_below(double value) {
  return std::max(2, static_cast<int>(std::floor(value / 2 + 1e-9)) * 2);
}
int even_near(double value) {
  return std::max(2, static_cast<int>(std::lround(value / 2)) * 2);
}

int bitrate_at(double side) {
  if (side <= steps.back().side)
    return std::max(50'000, static_cast<int>(std::lround(steps.back().bitrate * side / steps.back().side)));
  for (std::size_t i = 1; i < steps.size(); ++i)
    if (const auto &low = steps[i], &high = steps[i - 1]; side >= low.side)
      return static_cast<int>(
          std::lround(low.bitrate + (high.bitrate - low.bitrate) * (side - low.side) / (high.side - low.side)));
  return steps.front().bitrate;
}

rung make_rung(const picture_size& source, int side, int bitrate) {
  const double short_side = std::min(source.width, source.height);
  const double long_side = std::max(source.width, source.height);
  const int other = std::min(even_near(long_side * side / short_side), even_below(long_side));
  rung made;
  made.name = fmt::format("{}p", side);
  made.width = source.width <= source.height ? side : other;
  made.height = source.width <= source.height ? other : side;
  made.bitrate = bitrate;
  return made;
}

} // namespace

picture_size shown_size(const video_stream& video) {
  auto shape = video.sample_aspect.value();
  if (!(shape >= 0.125 && shape <= 8)) // absent, or nonsense
    shape = 1;
  picture_size size{video.width * shape, static_cast<double>(video.height)};
  if (video.rotation % 180 != 0)
    std::swap(size.width, size.height);
  return size;
}

std::vector<rung> ladder(const picture_size& shown) {
  const double shrink = std::min(1.0, longest_side / std::max(shown.width, shown.height));
  const picture_size source{shown.width * shrink, shown.height * shrink};
  std::vector<rung> rungs;
  const double short_side = std::min(source.width, source.height);
  for (const auto& step : steps)
    if (even_below(short_side) >= step.side)
      rungs.push_back(make_rung(source, step.side, step.bitrate));
  const int nearest = rungs.empty() ? 0 : std::min(rungs.front().width, rungs.front().height);
  if (nearest < steps.front().side && short_side > nearest * own_rung_above) {
    const int own = even_below(short_side);
    rungs.insert(rungs.begin(), make_rung(source, own, bitrate_at(own)));
  }
  return rungs;
}

result<tick_rate> choose_ticks(rational time_base) {
  constexpr std::int64_t least = 1000;
  if (time_base.num <= 0 || time_base.den <= 0)
    return fail(errc::broken_media, "the video's timestamps have no unit");
  const auto common = std::gcd(time_base.num, time_base.den);
  const auto num = time_base.num / common;
  const auto den = time_base.den / common;
  const auto factor = std::max<std::int64_t>(1, (least + den - 1) / den);
  if (den > std::numeric_limits<std::int32_t>::max() / factor)
    return fail(errc::unsupported_media, "the video's timestamps are too fine");
  return tick_rate{static_cast<std::uint32_t>(den * factor), num * factor};
}

bool copies(const plan& plan) {
  return !plan.renditions.empty() && plan.renditions.front().encoder == copied;
}

std::string rendition_id(const plan& plan, const rendition& rendition) {
  const auto& source = plan.source;
  const auto text =
      fmt::format("{}|{}|{}|{}|{}|{}/{}|{}|{}|{}/{}|{}/{}|{}|{}|{}|{}|{}x{}|{}", format_version, plan.identity,
                  source.start_time, source.video ? source.video->index : -1, source.audio ? source.audio->index : -1,
                  plan.frame_rate.num, plan.frame_rate.den, plan.timescale, plan.tick_scale,
                  source.video ? source.video->rotation : 0, source.video && source.video->mirrored,
                  source.video && source.video->interlaced, source.video && source.video->hdr, plan.preset, plan.crf,
                  rendition.name, rendition.encoder, rendition.width, rendition.height, rendition.bitrate)
      + (copies(plan) ? "|cut at keyframes" : "");
  std::array<unsigned char, crypto_generichash_BYTES_MIN> digest{};
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                     nullptr, 0);
  return fmt::format("{}-{:02x}{:02x}{:02x}{:02x}", rendition.name, digest[0], digest[1], digest[2], digest[3]);
}

} // namespace vp::media
