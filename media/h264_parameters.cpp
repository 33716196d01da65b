#include "media/h264_parameters.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace vp::media {

namespace {

/// The bits of a NAL unit (ITU-T H.264 section 9.1). Behind its end there are zeros.
class bit_reader {
public:
  explicit bit_reader(std::span<const std::uint8_t> unit) {
    // Section 7.3.1: a 3 behind two zeros is not part of the content.
    for (std::size_t i = 0; i < unit.size(); ++i)
      if (i < 2 || unit[i] != 3 || unit[i - 1] != 0 || unit[i - 2] != 0)
        bytes_.push_back(unit[i]);
  }

  bool ended() const { return at_ > 8 * bytes_.size(); }

  std::uint32_t bits(int count) {
    std::uint32_t value = 0;
    for (; count > 0; --count, ++at_)
      value = value << 1U | (at_ / 8 < bytes_.size() ? bytes_[at_ / 8] >> (7 - at_ % 8) & 1U : 0U);
    return value;
  }

  std::uint32_t unsigned_exp() {
    int zeros = 0;
    while (zeros < 31 && !ended() && bits(1) == 0)
      ++zeros;
    return (std::uint32_t{1} << static_cast<unsigned>(zeros)) - 1 + bits(zeros);
  }

  std::int32_t signed_exp() {
    const auto code = unsigned_exp();
    const auto half = static_cast<std::int32_t>(code / 2 + code % 2);
    return code % 2 == 1 ? half : -half;
  }

private:
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0; ///< bits
};

void skip_scaling_list(bit_reader& from, int size) {
  int last = 8;
  int next = 8;
  for (int i = 0; i < size; ++i) {
    if (next != 0)
      next = (last + from.signed_exp() % 256 + 256) % 256;
    last = next == 0 ? last : next;
  }
}

/// `frame_mbs_only_flag` of a sequence parameter set.
bool frames_only(std::span<const std::uint8_t> unit) {
  constexpr std::array high_profiles{100U, 110U, 122U, 244U, 44U, 83U, 86U, 118U, 128U, 138U, 139U, 134U, 135U};
  constexpr std::uint32_t most_cycles = 255;
  bit_reader from(unit);
  from.bits(8); // the unit's header
  const auto profile = from.bits(8);
  from.bits(16); // constraints and level
  from.unsigned_exp();
  if (std::find(high_profiles.begin(), high_profiles.end(), profile) != high_profiles.end()) {
    const auto chroma = from.unsigned_exp();
    if (chroma == 3)
      from.bits(1);
    from.unsigned_exp(); // depths
    from.unsigned_exp();
    from.bits(1);
    if (from.bits(1) != 0)
      for (int i = 0; i < (chroma == 3 ? 12 : 8); ++i)
        if (from.bits(1) != 0)
          skip_scaling_list(from, i < 6 ? 16 : 64);
  }
  from.unsigned_exp(); // frame numbers
  const auto order = from.unsigned_exp();
  if (order == 0) {
    from.unsigned_exp();
  } else if (order == 1) {
    from.bits(1);
    from.signed_exp();
    from.signed_exp();
    for (auto cycles = std::min(from.unsigned_exp(), most_cycles); cycles > 0; --cycles)
      from.signed_exp();
  }
  from.unsigned_exp(); // references
  from.bits(1);
  from.unsigned_exp(); // size
  from.unsigned_exp();
  return from.bits(1) != 0 && !from.ended();
}

} // namespace

std::optional<h264_parameter_sets> parameter_sets_of(const AVCodecParameters& parameters) {
  const std::span<const std::uint8_t> data(parameters.extradata,
                                           static_cast<std::size_t>(std::max(0, parameters.extradata_size)));
  if (parameters.codec_id != AV_CODEC_ID_H264 || data.size() < 7 || data[0] != 1)
    return std::nullopt;
  h264_parameter_sets made;
  made.length_size = static_cast<std::size_t>(data[4] & 3) + 1;
  std::size_t at = 5;
  for (auto [to, mask] : {std::pair{&made.sequence, 0x1f}, std::pair{&made.picture, 0xff}}) {
    if (at == data.size())
      return std::nullopt;
    for (int left = data[at++] & mask; left > 0; --left) {
      if (data.size() - at < 2)
        return std::nullopt;
      const auto length = std::size_t{data[at]} << 8U | data[at + 1];
      at += 2;
      if (length > data.size() - at)
        return std::nullopt;
      to->push_back(data.subspan(at, length));
      at += length;
    }
  }
  return made;
}

bool has_whole_frames_only(const AVCodecParameters& parameters) {
  const auto sets = parameter_sets_of(parameters);
  return sets && !sets->sequence.empty() && std::all_of(sets->sequence.begin(), sets->sequence.end(), frames_only);
}

} // namespace vp::media
