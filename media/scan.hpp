#pragma once

#include "media/byte_source.hpp"
#include "media/colour.hpp"
#include "media/interrupt.hpp"
#include "media/ladder.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vp::media {

/// What reading all packets of a source tells about it.
struct scan_result {
  source_info source;
  tick_rate ticks;
  media::colour colour; ///< of the pictures to be encoded
  std::vector<segment> segments;
  std::vector<audio_anchor> audio_anchors;
  std::int64_t video_end = 0;   ///< ticks
  std::int64_t widest_step = 0; ///< ticks: see `grid_planner`
  /// Of the pictures, where they can be the largest rendition as they are; then segments begin at their keyframes.
  codec_parameters copied;
  int copied_rate = 0;  ///< their peak, bits per second of a segment
  std::string identity; ///< hex digits, of the index and the first packets
};

/// Reads a source, and decodes it up to the first picture only: what comes before that cannot be shown, whatever its
/// timestamps say (the leading pictures of an open group, or a stream that begins anywhere). Behind that picture only
/// the index is read where there is one that says all (see `read_sample_times`), else every packet to the end. Of a
/// source that grows there are the segments which nothing that follows changes; the same are the first ones of the
/// whole. Errors: `unsupported_media`, `broken_media`, `timed_out`, `cancelled`; of a source that arrives `incomplete`,
/// where the index does not tell; of one that grows where there is no such segment yet. `copy`: it is to be found out
/// whether the pictures can be a rendition as they are (see `copy_check`).
result<scan_result> scan(byte_source& source, const interrupt& stop, arrival how = arrival::whole, bool copy = false);

} // namespace vp::media
