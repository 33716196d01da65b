#include "media/colour.hpp"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace vp::media {

namespace {

constexpr int first_hd_height = 720;

bool is_rgb(int format) {
  const auto* description = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(format));
  return description && (description->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

bool is_full_by_format(int format) {
  return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P
         || format == AV_PIX_FMT_YUVJ440P || format == AV_PIX_FMT_YUVJ411P;
}

AVColorSpace matrix_for(int height) {
  if (height >= first_hd_height)
    return AVCOL_SPC_BT709;
  return height == 576 || height == 288 ? AVCOL_SPC_BT470BG : AVCOL_SPC_SMPTE170M;
}

colour describe(AVColorSpace matrix, AVColorPrimaries primaries, AVColorTransferCharacteristic transfer, bool full,
                int height) {
  colour it{matrix, primaries, transfer, full};
  if (it.matrix == AVCOL_SPC_UNSPECIFIED || it.matrix == AVCOL_SPC_RGB || it.matrix == AVCOL_SPC_RESERVED)
    it.matrix = matrix_for(height);
  const bool hd = it.matrix == AVCOL_SPC_BT709;
  if (it.primaries == AVCOL_PRI_UNSPECIFIED || it.primaries == AVCOL_PRI_RESERVED)
    it.primaries = hd                                  ? AVCOL_PRI_BT709
                   : it.matrix == AVCOL_SPC_BT2020_NCL ? AVCOL_PRI_BT2020
                   : it.matrix == AVCOL_SPC_BT470BG    ? AVCOL_PRI_BT470BG
                                                       : AVCOL_PRI_SMPTE170M;
  if (it.transfer == AVCOL_TRC_UNSPECIFIED || it.transfer == AVCOL_TRC_RESERVED)
    it.transfer = hd || it.matrix == AVCOL_SPC_BT2020_NCL ? AVCOL_TRC_BT709 : AVCOL_TRC_SMPTE170M;
  return it;
}

} // namespace

colour colour_of(const AVFrame& frame) {
  const bool full = frame.color_range == AVCOL_RANGE_JPEG || is_full_by_format(frame.format) || is_rgb(frame.format);
  return describe(frame.colorspace, frame.color_primaries, frame.color_trc, full, frame.height);
}

colour output_colour(const AVCodecParameters& source) {
  auto it = describe(source.color_space, source.color_primaries, source.color_trc, false, source.height);
  if (is_hdr(it.transfer))
    return {AVCOL_SPC_BT709, AVCOL_PRI_BT709, AVCOL_TRC_BT709, false};
  switch (it.matrix) {
  case AVCOL_SPC_BT709:
  case AVCOL_SPC_BT470BG:
  case AVCOL_SPC_SMPTE170M:
    break;
  default: // converted; the primaries stay, and a player maps them
    it.matrix = AVCOL_SPC_BT709;
    break;
  }
  if (it.transfer == AVCOL_TRC_BT2020_10 || it.transfer == AVCOL_TRC_BT2020_12) // the same curve as BT.709's
    it.transfer = AVCOL_TRC_BT709;
  return it;
}

bool is_hdr(AVColorTransferCharacteristic transfer) {
  return transfer == AVCOL_TRC_SMPTE2084 || transfer == AVCOL_TRC_ARIB_STD_B67;
}

} // namespace vp::media
