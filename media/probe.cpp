#include "media/probe.hpp"

#include "media/colour.hpp"
#include "media/container.hpp"

extern "C" {
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
}

#include <array>
#include <cmath>
#include <cstring>

namespace vp::media {

namespace {

/// Frame rates that a picture can have; beyond are the ticks of a clock rather than frames.
constexpr double highest_rate = 240;
constexpr double lowest_rate = 0.01;

bool is_sane(AVRational rate) {
  return rate.num > 0 && rate.den > 0 && av_q2d(rate) <= highest_rate && av_q2d(rate) >= lowest_rate;
}

std::string pixel_format_name(int format) {
  const char* name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(format));
  return name ? name : "";
}

/// How a player turns the picture (ISO/IEC 14496-12 section 8.3.2.3). The matrix multiplies a row (x, y, 1); taking a
/// flip of x out of its first row leaves what is done after it.
void read_orientation(const AVStream& stream, video_stream& video) {
  std::size_t size = 0;
  const auto* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  std::array<std::int32_t, 9> matrix{};
  if (!data || size < sizeof matrix)
    return;
  std::memcpy(matrix.data(), data, sizeof matrix);
  const auto determinant = static_cast<double>(matrix[0]) * matrix[4] - static_cast<double>(matrix[1]) * matrix[3];
  if (determinant < 0) {
    video.mirrored = true;
    matrix[0] = -matrix[0];
    matrix[1] = -matrix[1];
  }
  const double angle = -av_display_rotation_get(matrix.data());
  if (!std::isfinite(angle))
    return;
  const int quarter = static_cast<int>(std::lround(angle / 90)) % 4;
  video.rotation = (quarter + 4) % 4 * 90;
}

} // namespace

source_info probe(demuxer& opened, byte_source& source) {
  source_info info;
  auto& format = opened.format();
  info.format = opened.format_name();
  info.duration = format.duration != no_pts ? static_cast<double>(format.duration) / AV_TIME_BASE : 0;
  info.start_time = format.start_time != no_pts ? format.start_time : 0;
  const int video_index = opened.best_video();
  const int audio_index = opened.best_audio(video_index);
  if (video_index >= 0) {
    auto& stream = opened.stream(video_index);
    const auto& parameters = *stream.codecpar;
    video_stream video;
    video.index = video_index;
    video.codec = avcodec_get_name(parameters.codec_id);
    video.width = parameters.width;
    video.height = parameters.height;
    const auto shape = av_guess_sample_aspect_ratio(&format, &stream, nullptr);
    if (shape.num > 0 && shape.den > 0)
      video.sample_aspect = to_rational(shape);
    read_orientation(stream, video);
    for (const auto rate : {stream.avg_frame_rate, stream.r_frame_rate})
      if (is_sane(rate)) {
        video.frame_rate = to_rational(rate);
        break;
      }
    video.time_base = to_rational(stream.time_base);
    video.pixel_format = pixel_format_name(parameters.format);
    video.interlaced = parameters.field_order != AV_FIELD_UNKNOWN && parameters.field_order != AV_FIELD_PROGRESSIVE;
    video.hdr = is_hdr(parameters.color_trc);
    info.video = video;
  }
  if (audio_index >= 0) {
    const auto& stream = opened.stream(audio_index);
    audio_stream audio;
    audio.index = audio_index;
    audio.codec = avcodec_get_name(stream.codecpar->codec_id);
    audio.sample_rate = stream.codecpar->sample_rate;
    audio.channels = stream.codecpar->ch_layout.nb_channels;
    audio.time_base = to_rational(stream.time_base);
    info.audio = audio;
  }
  info.mime_type = mime_type(source, info.format, info.video.has_value());
  return info;
}

void refine(video_stream& video, const AVFrame& first) {
  video.width = first.width;
  video.height = first.height;
  video.pixel_format = pixel_format_name(first.format);
  video.interlaced = video.interlaced || first.interlaced_frame;
  video.hdr = video.hdr || is_hdr(first.color_trc);
}

} // namespace vp::media
