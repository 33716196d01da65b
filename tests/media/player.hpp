#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

/// Plays fragments the way a browser's media source does: init segment and fragment, by what their boxes say.
/// Anything that is not right throws `std::runtime_error`.
namespace player {

using bytes = std::vector<unsigned char>;

struct sample {
  std::int64_t dts = 0;
  std::int64_t pts = 0;
  std::int64_t duration = 0;
  bool key = false;
  std::span<const unsigned char> data;
};

struct fragment {
  std::uint32_t sequence = 0;
  std::int64_t start = 0; ///< tfdt
  std::vector<sample> samples;

  std::int64_t end() const;
};

/// Reads `styp moof(mfhd traf(tfhd tfdt trun)) mdat` and nothing else; the samples point into `data`.
fragment parse(std::span<const unsigned char> data);

/// What is in a box at this path, such as `moov/trak/mdia/mdhd`; empty if it is not there.
std::span<const unsigned char> find_box(std::span<const unsigned char> data, const std::string& path);

/// The timescale that an init segment's `mdhd` says.
std::uint32_t timescale(std::span<const unsigned char> init);

/// An 8-bit 4:2:0 picture.
struct picture {
  std::int64_t pts = 0;
  int width = 0;
  int height = 0;
  bytes y, u, v;
};

/// Decodes a fragment by itself; an error of the decoder, a damaged picture or one too few throws.
std::vector<picture> decode_video(std::span<const unsigned char> init, const fragment& fragment);

/// Which picture of `clips::numbered` this is.
int frame_number(const picture& picture);

/// The colours in the corners, clockwise from the top left: `r`, `g`, `b`, `w`.
std::string corners(const picture& picture);

/// The samples of two channels.
using stereo = std::array<std::vector<float>, 2>;

/// Decodes fragments one after the other with one decoder, as they are played.
stereo decode_audio(std::span<const unsigned char> init, std::span<const fragment> fragments);

} // namespace player
