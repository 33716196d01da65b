#pragma once

#include "media/error.hpp"
#include "media/types.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vp::media {

/// One step of the ladder: a picture size with square pixels, and the bit rate that is usual for it.
struct rung {
  std::string name; ///< its short side, such as `720p`
  int width = 0;
  int height = 0;
  int bitrate = 0;

  friend bool operator==(const rung&, const rung&) = default;
};

/// The picture as a player shows it: upright, with square pixels. The width carries the pixels' shape.
struct picture_size {
  double width = 0;
  double height = 0;
};
picture_size shown_size(const video_stream& video);

/// From the largest to the smallest: 1080p, 720p, 480p, 360p and 144p as far as they are not above the source, by the
/// short side, so that an upright phone clip of 1080 x 1920 is 1080p. A source that is well between two of them, or
/// under all, gets a rung of its own size on top. Sizes are even.
std::vector<rung> ladder(const picture_size& source);

/// The ticks in which timestamps of this time base are whole numbers, at least 1000 a second: `ticks = pts *
/// tick_scale`.
struct tick_rate {
  std::uint32_t timescale = 0;
  std::int64_t tick_scale = 1;
};
result<tick_rate> choose_ticks(rational time_base);

/// Goes up whenever the same plan would give other bytes than before.
inline constexpr int format_version = 2;

/// Whether the plan's largest rendition is the source's own pictures.
bool copies(const plan& plan);

/// Names a rendition after all that its bytes depend on: the source's identity, the rest of the plan, and this version
/// of the format.
std::string rendition_id(const plan& plan, const rendition& rendition);

} // namespace vp::media
