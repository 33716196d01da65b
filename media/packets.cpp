#include "media/packets.hpp"

#include <algorithm>
#include <span>

namespace vp::media {

namespace {

constexpr int h264_idr = 5;
constexpr int h264_slice = 1;

/// VP9 bitstream specification, sections 6.2 and Annex B: a superframe's last frame is shown.
bool vp9_is_shown(std::span<const std::uint8_t> data) {
  if ((data.back() & 0xe0) == 0xc0)
    return true;
  const unsigned head = static_cast<unsigned>(data[0]) << 8 | (data.size() > 1 ? data[1] : 0u);
  const auto bit = [&](int n) { return head >> (15 - n) & 1u; };
  const bool profile3 = bit(2) && bit(3);
  const int at = profile3 ? 5 : 4;
  const bool show_existing = bit(at);
  return show_existing || bit(at + 2);
}

} // namespace

packet_inspector::packet_inspector(const AVCodecParameters& parameters) : codec_(parameters.codec_id) {
  if (codec_ != AV_CODEC_ID_H264)
    return;
  if (parameters.extradata_size > 6 && parameters.extradata[0] == 1) // avcC, ISO/IEC 14496-15 section 5.3.3.1
    nal_length_size_ = (parameters.extradata[4] & 3) + 1;
  parser_ = av_parser_init(codec_);
  context_.reset(avcodec_alloc_context3(nullptr));
  if (!parser_ || !context_ || avcodec_parameters_to_context(context_.get(), &parameters) < 0)
    return;
  parser_->flags |= PARSER_FLAG_COMPLETE_FRAMES;
}

packet_inspector::~packet_inspector() {
  av_parser_close(parser_);
}

bool packet_inspector::brings_picture(const AVPacket& packet) {
  const std::span data(packet.data, static_cast<std::size_t>(packet.size));
  if (data.empty())
    return false;
  switch (codec_) {
  case AV_CODEC_ID_H264:
    if (is_second_field(packet))
      return false;
    break;
  case AV_CODEC_ID_VP8: // RFC 6386 section 9.1
    if (!(data[0] & 0x10))
      return false;
    break;
  case AV_CODEC_ID_VP9:
    if (!vp9_is_shown(data))
      return false;
    break;
  default:
    break;
  }
  return !(packet.flags & AV_PKT_FLAG_DISCARD);
}

bool packet_inspector::is_second_field(const AVPacket& packet) {
  if (!parser_ || !context_)
    return false;
  std::uint8_t* out = nullptr;
  int out_size = 0;
  av_parser_parse2(parser_, context_.get(), &out, &out_size, packet.data, packet.size, packet.pts, packet.dts,
                   packet.pos);
  const int structure = parser_->picture_structure;
  if (structure != AV_PICTURE_STRUCTURE_TOP_FIELD && structure != AV_PICTURE_STRUCTURE_BOTTOM_FIELD) {
    open_field_ = 0;
    return false;
  }
  const bool second = open_field_ != 0 && open_field_ != structure;
  open_field_ = second ? 0 : structure;
  return second;
}

bool packet_inspector::is_closed_keyframe(const AVPacket& packet) const {
  if (!(packet.flags & AV_PKT_FLAG_KEY))
    return false;
  // An H.264 keyframe may be a recovery point, behind which references to pictures before it are allowed. In the other
  // codecs what is shown after a keyframe never refers to what is shown before it.
  return codec_ != AV_CODEC_ID_H264 || has_h264_idr(packet);
}

bool packet_inspector::has_h264_idr(const AVPacket& packet) const {
  const std::span data(packet.data, static_cast<std::size_t>(packet.size));
  if (nal_length_size_ > 0) {
    const auto width = static_cast<std::size_t>(nal_length_size_);
    for (std::size_t at = 0; at + width < data.size();) {
      std::size_t length = 0;
      for (std::size_t i = 0; i < width; ++i)
        length = length << 8 | data[at + i];
      const int type = data[at + width] & 0x1f;
      if (type == h264_idr || type == h264_slice)
        return type == h264_idr;
      if (length > data.size() - at - width)
        return false;
      at += width + length;
    }
    return false;
  }
  for (std::size_t at = 0; at + 3 < data.size(); ++at) {
    if (data[at] != 0 || data[at + 1] != 0 || data[at + 2] != 1)
      continue;
    const int type = data[at + 3] & 0x1f;
    if (type == h264_idr || type == h264_slice)
      return type == h264_idr;
    at += 2;
  }
  return false;
}

} // namespace vp::media
