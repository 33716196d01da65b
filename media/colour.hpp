#pragma once

#include "media/av.hpp"

namespace vp::media {

/// What the numbers of a picture mean (ITU-T H.273). What is encoded is always of limited range.
struct colour {
  AVColorSpace matrix = AVCOL_SPC_UNSPECIFIED;
  AVColorPrimaries primaries = AVCOL_PRI_UNSPECIFIED;
  AVColorTransferCharacteristic transfer = AVCOL_TRC_UNSPECIFIED;
  bool full_range = false;

  friend bool operator==(const colour&, const colour&) = default;
};

/// The meaning of a frame's numbers, guessed by its size where the source does not say.
colour colour_of(const AVFrame& frame);

/// What the renditions of a source are tagged with: its own meaning where players know it, else BT.709. The same for
/// all rungs, so that a change of rung is no change of colour.
colour output_colour(const AVCodecParameters& source);

/// PQ or HLG: a display for SDR needs it tone-mapped.
bool is_hdr(AVColorTransferCharacteristic transfer);

} // namespace vp::media
