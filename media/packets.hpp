#pragma once

#include "media/av.hpp"

namespace vp::media {

/// What a video packet will bring, told from its first bytes without decoding it.
class packet_inspector {
public:
  explicit packet_inspector(const AVCodecParameters& parameters);
  packet_inspector(const packet_inspector&) = delete;
  packet_inspector& operator=(const packet_inspector&) = delete;
  ~packet_inspector();

  /// Whether the decoder will show a picture for this packet: not for one that an edit list hides, for a reference that
  /// is never shown (VP8, VP9), or for the second field of a picture. To be asked for every packet, in decoding order.
  bool brings_picture(const AVPacket& packet);

  /// Whether everything shown from this packet's picture on can be decoded, to the same pixels, without anything before
  /// it.
  bool is_closed_keyframe(const AVPacket& packet) const;

private:
  bool is_second_field(const AVPacket& packet);
  bool has_h264_idr(const AVPacket& packet) const;

  AVCodecID codec_;
  int nal_length_size_ = 0; ///< 0: start codes
  codec_context context_;
  AVCodecParserContext* parser_ = nullptr;
  int open_field_ = 0; ///< the picture structure of a first field that waits for its second
};

} // namespace vp::media
