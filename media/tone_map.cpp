#include "media/tone_map.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace vp::media {

namespace {

constexpr int nodes = 33; // an axis, 32 steps of the 10 bits apart
constexpr int step_bits = 5;
constexpr int step = 1 << step_bits;
constexpr int value_bits = 7;       // below the point, of a table entry
constexpr double paper_white = 203; // nits, ITU-R BT.2408
constexpr double brightest = 1000;  // nits that still differ from what is brighter

struct rgb {
  double r, g, b;
};

/// ITU-R BT.2100 table 4.
double pq_nits(double coded) {
  constexpr double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128, c3 = 2392.0 / 128;
  const double p = std::pow(coded, 1 / m2);
  return 10000 * std::pow(std::max(p - c1, 0.0) / (c2 - c3 * p), 1 / m1);
}

/// ITU-R BT.2100 table 5: light of the scene, and what a display of 1000 nits makes of it.
double hlg_scene(double coded) {
  constexpr double a = 0.17883277, b = 1 - 4 * a;
  const double c = 0.5 - a * std::log(4 * a);
  return coded <= 0.5 ? coded * coded / 3 : (std::exp((coded - c) / a) + b) / 12;
}

rgb hlg_nits(const rgb& coded) {
  const rgb scene{hlg_scene(coded.r), hlg_scene(coded.g), hlg_scene(coded.b)};
  const double luminance = 0.2627 * scene.r + 0.6780 * scene.g + 0.0593 * scene.b;
  const double gain = 1000 * std::pow(luminance, 0.2);
  return {gain * scene.r, gain * scene.g, gain * scene.b};
}

/// A straight line to the knee, then a curve that reaches 1 at the brightest (Mobius, as in FFmpeg's tonemap filter).
double squeeze(double x) {
  constexpr double knee = 0.5, peak = brightest / paper_white;
  constexpr double a = -knee * knee * (peak - 1) / (knee * knee - 2 * knee + peak);
  constexpr double b = (knee * knee - 2 * knee * peak + peak) / (peak - 1);
  if (x <= knee)
    return x;
  return std::min(1.0, (b * b + 2 * b * knee + knee * knee) / (b - a) * (x + a) / (x + b));
}

struct entry {
  std::uint16_t y, cb, cr;
};
using table = std::vector<entry>; // [cb][cr][y]

entry map_colour(double y, double cb, double cr, bool hlg) {
  const auto coded = [](double v) { return std::clamp(v, 0.0, 1.0); };
  // ITU-R BT.2020 table 4, non-constant luminance.
  const rgb in{coded(y + 1.4746 * cr), coded(y - 0.16455 * cb - 0.57135 * cr), coded(y + 1.8814 * cb)};
  rgb light = hlg ? hlg_nits(in) : rgb{pq_nits(in.r), pq_nits(in.g), pq_nits(in.b)};
  const double most = std::max({light.r, light.g, light.b}) / paper_white;
  const double gain = most > 0 ? squeeze(most) / most / paper_white : 0;
  light = {light.r * gain, light.g * gain, light.b * gain};
  // From BT.2020's primaries to BT.709's (ITU-R BT.2087), and to what a display with a gamma of 2.4 shows as that.
  const auto shown = [](double v) { return std::pow(std::clamp(v, 0.0, 1.0), 1 / 2.4); };
  const rgb out{shown(1.6605 * light.r - 0.5876 * light.g - 0.0728 * light.b),
                shown(-0.1246 * light.r + 1.1329 * light.g - 0.0083 * light.b),
                shown(-0.0182 * light.r - 0.1006 * light.g + 1.1187 * light.b)};
  const double luma = 0.2126 * out.r + 0.7152 * out.g + 0.0722 * out.b;
  const auto fixed = [](double v) { return static_cast<std::uint16_t>(std::lround(v * (1 << value_bits))); };
  return {fixed(16 + 219 * luma), fixed(128 + 224 * (out.b - luma) / 1.8556),
          fixed(128 + 224 * (out.r - luma) / 1.5748)};
}

table make_table(bool hlg) {
  table made;
  made.reserve(static_cast<std::size_t>(nodes) * nodes * nodes);
  for (int cb = 0; cb < nodes; ++cb)
    for (int cr = 0; cr < nodes; ++cr)
      for (int y = 0; y < nodes; ++y)
        made.push_back(map_colour((y * step - 64) / 876.0, (cb * step - 512) / 896.0, (cr * step - 512) / 896.0, hlg));
  return made;
}

const table& table_for(AVColorTransferCharacteristic transfer) {
  static const table pq = make_table(false);
  static const table hlg = make_table(true);
  return transfer == AVCOL_TRC_ARIB_STD_B67 ? hlg : pq;
}

/// The four edges of the table along Y between which a pair of chroma values lies, and how near it is to each.
class edges {
public:
  edges(const table& from, int cb, int cr) {
    const int i = cb >> step_bits, j = cr >> step_bits;
    const int fi = cb & (step - 1), fj = cr & (step - 1);
    const auto* corner = from.data() + (static_cast<std::ptrdiff_t>(i) * nodes + j) * nodes;
    at_ = {corner, corner + nodes, corner + nodes * nodes, corner + nodes * nodes + nodes};
    weight_ = {(step - fi) * (step - fj), (step - fi) * fj, fi * (step - fj), fi * fj};
  }

  template <class Member>
  std::uint8_t look_up(int y, Member member) const {
    const int i = y >> step_bits, f = y & (step - 1);
    int sum = 1 << (value_bits + 3 * step_bits - 1);
    for (std::size_t k = 0; k < at_.size(); ++k)
      sum += (at_[k][i].*member * (step - f) + at_[k][i + 1].*member * f) * weight_[k];
    return static_cast<std::uint8_t>(sum >> (value_bits + 3 * step_bits));
  }

private:
  std::array<const entry*, 4> at_;
  std::array<int, 4> weight_;
};

/// A row of 10-bit samples.
const std::uint16_t* row10(const AVFrame& frame, int plane, int y) {
  return reinterpret_cast<const std::uint16_t*>(frame.data[plane]
                                                + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane]);
}

std::uint8_t* row8(const AVFrame& frame, int plane, int y) {
  return frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
}

} // namespace

result<frame_ptr> tone_map::run(const AVFrame& from) {
  auto made = pool_.take();
  if (!made)
    return made;
  const auto& to = **made;
  const auto& colours = table_for(from.color_trc);
  constexpr int most = 1023;
  // The sizes are even, so every chroma sample has four pixels.
  for (int y = 0; y < from.height / 2; ++y) {
    const auto* u = row10(from, 1, y);
    const auto* v = row10(from, 2, y);
    auto* to_u = row8(to, 1, y);
    auto* to_v = row8(to, 2, y);
    for (int x = 0; x < from.width / 2; ++x) {
      const edges near(colours, std::min<int>(u[x], most), std::min<int>(v[x], most));
      int sum = 0;
      for (int row = 2 * y; row < 2 * y + 2; ++row)
        for (int column = 2 * x; column < 2 * x + 2; ++column) {
          const int luma = std::min<int>(row10(from, 0, row)[column], most);
          sum += luma;
          row8(to, 0, row)[column] = near.look_up(luma, &entry::y);
        }
      to_u[x] = near.look_up((sum + 2) / 4, &entry::cb);
      to_v[x] = near.look_up((sum + 2) / 4, &entry::cr);
    }
  }
  (*made)->pts = from.pts;
  (*made)->colorspace = AVCOL_SPC_BT709;
  (*made)->color_primaries = AVCOL_PRI_BT709;
  (*made)->color_trc = AVCOL_TRC_BT709;
  (*made)->color_range = AVCOL_RANGE_MPEG;
  return made;
}

} // namespace vp::media
