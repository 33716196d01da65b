#include "media/h264_samples.hpp"

#include "media/boxes.hpp"
#include "media/h264_parameters.hpp"

namespace vp::media {

namespace {

/// ITU-T H.264 table 7-1.
enum unit_type : int {
  slice = 1,
  partition_a = 2,
  partition_c = 4,
  idr_slice = 5,
  sequence_parameters = 7,
  picture_parameters = 8,
};

} // namespace

h264_samples::h264_samples(const AVCodecParameters& parameters) {
  const auto sets = parameter_sets_of(parameters);
  if (!sets)
    return;
  length_size_ = sets->length_size;
  for (const auto* list : {&sets->sequence, &sets->picture})
    for (const auto& one : *list)
      parameters_.emplace(one.begin(), one.end());
}

const char* h264_samples::fault(std::span<const std::uint8_t> sample, bool key) const {
  if (length_size_ == 0)
    return "their parameters are missing";
  bool has_picture = false;
  while (!sample.empty()) {
    if (sample.size() < length_size_)
      return "one is damaged";
    const auto length = big_endian(sample.data(), static_cast<int>(length_size_));
    sample = sample.subspan(length_size_);
    if (length == 0 || length > sample.size())
      return "one is damaged";
    const auto unit = sample.first(static_cast<std::size_t>(length));
    sample = sample.subspan(unit.size());
    switch (const int type = unit[0] & 0x1f; type) {
    case slice:
    case idr_slice:
      if (key && type != idr_slice)
        return "one that should stand for itself refers to others";
      has_picture = true;
      break;
    case sequence_parameters:
    case picture_parameters:
      if (!parameters_.contains({unit.begin(), unit.end()}))
        return "they change their parameters on the way";
      break;
    default:
      if (type >= partition_a && type <= partition_c)
        return "one is in parts";
    }
  }
  return has_picture ? nullptr : "one is damaged";
}

} // namespace vp::media
