#pragma once

#include "media/av.hpp"
#include "media/colour.hpp"
#include "media/mp4.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vp::media {

/// The CRF of a rung with this short side, where the plan says `crf`. Measured on a film at veryfast, so that each file
/// comes near the size that FFmpeg's command line gives it at `crf`: how a picture was scaled and the trellis change
/// the size.
double rung_crf(double crf, int side);

/// Encodes one segment of one rendition as a closed group of pictures, with a single thread.
class video_encoder {
public:
  /// Opens the encoder that `rendition` names. `more` are further parameters of x264, for tests. Error:
  /// `encoder_failed`.
  static result<std::unique_ptr<video_encoder>> open(const plan& plan, const rendition& rendition, const colour& colour,
                                                     const std::string& more = {});

  /// `frame` has the rendition's size, is yuv420p, and its pts are ticks that rise.
  result<void> push(const AVFrame& frame);

  /// Everything pushed, in decoding order, with the times of a fragment that lasts until `end`.
  result<std::vector<sample>> finish(std::int64_t end);

  /// For the init segment.
  result<codec_parameters> parameters() const;

private:
  explicit video_encoder(codec_context context);
  result<void> drain();

  codec_context context_;
  frame_ptr frame_ = make_frame();
  packet_ptr packet_ = make_packet();
  bool annex_b_ = false;
  std::size_t pushed_ = 0;
  std::vector<sample> samples_;
};

/// The encoder that a wanted name stands for on this machine. `auto` is VideoToolbox where FFmpeg has it, else x264;
/// one that does not open for all of the plan's renditions that are encoded gives way to x264, and `warning` says so.
struct encoder_choice {
  std::string name;
  std::string warning;
};
result<encoder_choice> choose_encoder(std::string_view wanted, const plan& plan, const colour& colour);

} // namespace vp::media
