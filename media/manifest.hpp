#pragma once

#include "media/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vp::media {

/// A fragment as the manifests see it.
struct manifest_entry {
  std::int64_t start = 0; ///< ticks of the rendition's timescale
  std::int64_t duration = 0;
  std::uint64_t bytes = 0;
};

/// A rendition with all its fragments, numbered from 0 without gaps.
struct manifest_track {
  media::rendition rendition;
  std::uint32_t timescale = 0;
  std::vector<manifest_entry> entries;
};

/// A video; one that grows gets more fragments behind those that are here. `frame_rate` is that of the plan.
struct presentation {
  std::vector<manifest_track> tracks;
  rational frame_rate;
  bool grows = false;
};

/// The multivariant playlist (RFC 8216 section 4.3.4); media playlists are named `<rendition name>.m3u8` beside it.
std::string multivariant_playlist(const presentation& presentation);

/// One rendition's media playlist (RFC 8216 section 4.3.3), VOD, or EVENT while it grows; paths relative to `hls/`. The
/// presentation is that of the track: all its playlists must have the same target duration.
std::string media_playlist(const presentation& presentation, const manifest_track& track);

/// The DASH manifest, static, or dynamic while it grows, SegmentTemplate with SegmentTimeline (ISO/IEC 23009-1 5.3.9),
/// paths relative to `dash/`.
std::string dash_manifest(const presentation& presentation);

/// `init.mp4` and `<number>.m4s`: the files in `media/<rendition id>/`.
std::string init_name();
std::string fragment_name(std::uint32_t number);

} // namespace vp::media
