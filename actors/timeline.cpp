#include "actors/timeline.hpp"

#include "actors/node_interfaces.hpp"
#include "media/ladder.hpp"

#include <algorithm>

namespace vp {

bool has_media(const media::rendition& rendition, const media::segment& cell) {
  return rendition.kind == media::media_kind::video ? cell.frames > 0 : cell.audio_end > cell.audio_start;
}

rendition_bits poster_bit(const media::plan& plan) {
  return rendition_bits{1} << plan.renditions.size();
}

namespace {

template <class Which>
rendition_bits bits_where(const media::plan& plan, Which which) {
  rendition_bits bits = 0;
  for (std::size_t i = 0; i < plan.renditions.size(); ++i)
    if (which(plan.renditions[i]))
      bits |= rendition_bits{1} << i;
  return bits;
}

} // namespace

rendition_bits renditions_in(const media::plan& plan, const media::segment& cell) {
  return bits_where(plan, [&](const auto& rendition) { return has_media(rendition, cell); });
}

rendition_bits renditions_of(const media::plan& plan, media::media_kind kind) {
  return bits_where(plan, [&](const auto& rendition) { return rendition.kind == kind; });
}

rendition_bits decoded_renditions(const media::plan& plan) {
  return bits_where(plan, [](const auto& rendition) {
    return rendition.kind == media::media_kind::video && rendition.encoder != media::copied;
  });
}

rendition_bits starting_rendition(const media::plan& plan) {
  constexpr int enough = 360;
  if (media::copies(plan))
    return 1; // the largest is there at once
  rendition_bits best = 0;
  for (const auto& x : plan.renditions) // from the largest to the smallest
    if (x.kind == media::media_kind::video && (best == 0 || std::min(x.width, x.height) >= enough))
      best = bit_of(plan, x.id);
  return best;
}

std::vector<std::string> ids_of(const media::plan& plan, rendition_bits which) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < plan.renditions.size(); ++i)
    if ((which >> i & 1U) != 0)
      ids.push_back(plan.renditions[i].id);
  if ((which & poster_bit(plan)) != 0)
    ids.emplace_back(media::poster_id);
  return ids;
}

rendition_bits bit_of(const media::plan& plan, const std::string& id) {
  if (id == media::poster_id)
    return poster_bit(plan);
  return bits_where(plan, [&](const auto& rendition) { return rendition.id == id; });
}

media::byte_range bytes_of(const media::segment& cell, media::media_kind kind, std::uint64_t source_size) {
  const auto& bytes = kind == media::media_kind::video ? cell.video_bytes : cell.audio_bytes;
  if (bytes.empty())
    return bytes;
  const auto behind = bytes.end / piece_size + 2; // it reads one ahead
  return {bytes.begin / piece_size * piece_size, std::min<std::uint64_t>(source_size, behind * piece_size)};
}

time_span span_of(const media::plan& plan, const media::segment& cell) {
  auto from = cell.frames > 0 && plan.timescale > 0
                  ? static_cast<double>(cell.start) / static_cast<double>(plan.timescale)
                  : static_cast<double>(cell.audio_start) * media::audio_frame_size / media::audio_sample_rate;
  return {from, from + seconds_of(plan, cell)};
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
