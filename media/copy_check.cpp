#include "media/copy_check.hpp"

#include "media/colour.hpp"
#include "media/h264_parameters.hpp"
#include "media/ladder.hpp"

namespace vp::media {

namespace {

constexpr double of_usual_rate = 1.5;
constexpr AVRational longest_group{4, 1}; // seconds

bool is_plain_h264(const AVCodecParameters& parameters) {
  switch (parameters.profile) {
  case FF_PROFILE_H264_CONSTRAINED_BASELINE:
  case FF_PROFILE_H264_BASELINE:
  case FF_PROFILE_H264_MAIN:
  case FF_PROFILE_H264_HIGH:
    return parameters.codec_id == AV_CODEC_ID_H264 && has_whole_frames_only(parameters);
  default:
    return false;
  }
}

/// Whether the other rungs mean the same by their numbers, so that a change of rung is no change of colour.
bool has_usual_colours(const AVCodecParameters& parameters) {
  const auto is = output_colour(parameters);
  const auto same = [](auto said, auto unspecified, auto made) { return said == unspecified || said == made; };
  return parameters.color_range != AVCOL_RANGE_JPEG && same(parameters.color_space, AVCOL_SPC_UNSPECIFIED, is.matrix)
         && same(parameters.color_primaries, AVCOL_PRI_UNSPECIFIED, is.primaries)
         && same(parameters.color_trc, AVCOL_TRC_UNSPECIFIED, is.transfer);
}

} // namespace

copy_check::copy_check(const AVStream& stream, const video_stream& video, std::int64_t first)
    : longest_group_(av_rescale_q(1, longest_group, stream.time_base)), first_(first) {
  const auto rungs = ladder(shown_size(video));
  highest_rate_ = of_usual_rate * rungs.front().bitrate;
  possible_ = is_plain_h264(*stream.codecpar) && video.pixel_format == "yuv420p" && has_usual_colours(*stream.codecpar)
              && !video.interlaced && !video.hdr && video.rotation == 0 && !video.mirrored
              && video.sample_aspect.num == video.sample_aspect.den && rungs.front().width == video.width
              && rungs.front().height == video.height;
}

void copy_check::add(const AVPacket& sample) {
  if (sample.pts == no_pts || sample.duration <= 0 || sample.flags & AV_PKT_FLAG_DISCARD
      || av_packet_get_side_data(&sample, AV_PKT_DATA_NEW_EXTRADATA, nullptr)) // other parameters from here on
    possible_ = false;
  const bool key = sample.flags & AV_PKT_FLAG_KEY;
  if (samples_ == 0)
    possible_ = possible_ && key && sample.pts == first_;
  else if (!key)
    possible_ = possible_ && sample.pts > group_; // else it is shown before what it is decoded after
  else
    possible_ = possible_ && sample.pts > last_shown_ && sample.pts - group_ <= longest_group_;
  if (key)
    group_ = sample.pts;
  if (samples_ == 0 || sample.pts > last_shown_) {
    last_shown_ = sample.pts;
    end_ = sample.pts + sample.duration;
  }
  ++samples_;
}

bool copy_check::passed() const noexcept {
  return possible_ && samples_ > 0 && end_ - group_ <= longest_group_;
}

} // namespace vp::media
