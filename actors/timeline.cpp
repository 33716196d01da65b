#include "actors/timeline.hpp"

#include <algorithm>

namespace vp {

bool has_media(const media::rendition& rendition, const media::segment& cell) {
  return rendition.kind == media::media_kind::video ? cell.frames > 0 : cell.audio_end > cell.audio_start;
}

std::vector<std::string> renditions_in(const media::plan& plan, const media::segment& cell) {
  std::vector<std::string> ids;
  for (const auto& rendition : plan.renditions)
    if (has_media(rendition, cell))
      ids.push_back(rendition.id);
  return ids;
}

double seconds_of(const media::plan& plan, const media::segment& cell) {
  auto video = cell.frames > 0 && plan.timescale > 0
                   ? static_cast<double>(cell.end - cell.start) / static_cast<double>(plan.timescale)
                   : 0.0;
  auto audio =
      static_cast<double>(cell.audio_end - cell.audio_start) * media::audio_frame_size / media::audio_sample_rate;
  return std::max(video, audio);
}

} // namespace vp
