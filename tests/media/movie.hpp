#pragma once

#include "media/byte_source.hpp"
#include "media/types.hpp"

#include <filesystem>
#include <string>
#include <vector>

/// A whole source through `analyze` and `segment_encoder`, and what is promised of everything that comes out.
namespace movie {

using bytes = std::vector<unsigned char>;

/// A rendition's files.
struct track {
  vp::media::rendition rendition;
  bytes init;
  std::vector<vp::media::fragment> fragments; ///< in order
};

struct movie {
  vp::media::analysis analysis;
  std::vector<track> tracks;

  const track& find(const std::string& name) const;
  const track& largest() const { return tracks.front(); }
};

/// Analyzes and encodes all of it in order, by one encoder. Fails the test when that does.
movie encode(vp::media::byte_source& source, const vp::media::encode_settings& settings = {});
movie encode(const std::filesystem::path& clip);

/// Analyzes it again, encodes every other segment by a fresh encoder each, then all by one in a random order: nothing
/// differs.
void check_order_makes_no_difference(vp::media::byte_source& source, const movie& made,
                                     const vp::media::encode_settings& settings = {});

/// Every fragment of every track: boxes, numbers, times that abut, an init segment that fits, and that it decodes
/// alone.
void check_fragments(const movie& made);

/// What the `ffmpeg` programs see in a source.
struct reference {
  double start = 0;          ///< of the container, seconds
  std::vector<double> times; ///< of the frames, seconds, as stored
  std::vector<int> numbers;  ///< `player::frame_number` of each
};
reference look_at(const std::filesystem::path& clip, bool numbered);

/// Every frame of the reference is there once, within a millisecond, in every video track; and shows the same number.
void check_frames(const movie& made, const reference& expected);

/// All of the above.
movie check(const std::filesystem::path& clip, const reference& expected,
            const vp::media::encode_settings& settings = {});
movie check(const std::filesystem::path& clip, bool numbered = true);

} // namespace movie
