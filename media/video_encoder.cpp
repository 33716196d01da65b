#include "media/video_encoder.hpp"

#include "media/log.hpp"

extern "C" {
#include <libavutil/opt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace vp::media {

namespace {

constexpr const char* x264 = "libx264";
constexpr const char* videotoolbox = "h264_videotoolbox";

/// Peaks of one and a half times the usual rate, over a buffer of two seconds, in every fragment anew.
constexpr double peak = 1.5;
constexpr int buffer_seconds = 2;

/// No keyframes but the first and at scene cuts; nothing that depends on the processor, the threads or other segments.
constexpr const char* x264_parameters = "keyint=infinite:open-gop=0:stitchable=1:scenecut=40:cpu-independent=1";

/// Small pictures cost little, so they get the trellis that the quicker presets do without.
constexpr const char* trellis = ":trellis=1";
constexpr int small_side = 480;
bool wants_trellis(const std::string& preset, int side) {
  return side <= small_side && (preset == "superfast" || preset == "veryfast");
}

void set_options(AVCodecContext& context, dictionary& options, const plan& plan, const rendition& rendition,
                 const std::string& more) {
  context.rc_max_rate = static_cast<std::int64_t>(rendition.bitrate * peak);
  context.rc_buffer_size = rendition.bitrate * buffer_seconds;
  options.set("profile", "high");
  if (rendition.encoder == x264) {
    const int side = std::min(rendition.width, rendition.height);
    std::string parameters = x264_parameters;
    if (wants_trellis(plan.preset, side))
      parameters += trellis;
    if (!more.empty())
      parameters += ":" + more;
    options.set("preset", plan.preset.c_str());
    options.set("crf", fmt::format("{}", rung_crf(plan.crf, side)).c_str());
    options.set("forced-idr", 1);
    options.set("a53cc", 0);
    options.set("x264-params", parameters.c_str());
    return;
  }
  context.bit_rate = rendition.bitrate; // the others have no quality that is constant
  context.gop_size = std::max(1, 3600 * static_cast<int>(plan.frame_rate.value() + 1));
  context.flags |= AV_CODEC_FLAG_CLOSED_GOP;
  if (rendition.encoder == videotoolbox) {
    options.set("allow_sw", 1);
    options.set("realtime", 0);
  }
}

} // namespace

double rung_crf(double crf, int side) {
  constexpr double least = 1; // below it x264 is lossless, which the profile forbids
  if (side > small_side || side < 240 || crf < least)
    return crf;
  return std::max(least, crf + (side > 360 ? -0.2 : 0.2));
}

video_encoder::video_encoder(codec_context context) : context_(std::move(context)) {}

result<std::unique_ptr<video_encoder>> video_encoder::open(const plan& plan, const rendition& rendition,
                                                           const colour& colour, const std::string& more) {
  capture_av_log();
  const auto* codec = avcodec_find_encoder_by_name(rendition.encoder.c_str());
  if (!codec || codec->id != AV_CODEC_ID_H264)
    return fail(errc::encoder_failed, fmt::format("there is no H.264 encoder '{}' here", rendition.encoder));
  codec_context context(avcodec_alloc_context3(codec));
  if (!context)
    return fail(errc::encoder_failed, "no memory for an encoder");
  context->width = rendition.width;
  context->height = rendition.height;
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  context->time_base = {1, static_cast<int>(plan.timescale)};
  context->framerate = to_av(plan.frame_rate);
  context->sample_aspect_ratio = {1, 1};
  context->colorspace = colour.matrix;
  context->color_primaries = colour.primaries;
  context->color_trc = colour.transfer;
  context->color_range = AVCOL_RANGE_MPEG;
  context->chroma_sample_location = AVCHROMA_LOC_LEFT;
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  dictionary options;
  set_options(*context, options, plan, rendition, more);
  if (const int r = avcodec_open2(context.get(), codec, options.out()); r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, fmt::format("opening the encoder {}", rendition.encoder)));
  std::unique_ptr<video_encoder> self(new video_encoder(std::move(context)));
  const auto parameters = self->parameters();
  if (!parameters)
    return tl::unexpected(parameters.error());
  self->annex_b_ = is_annex_b(**parameters);
  return self;
}

result<codec_parameters> video_encoder::parameters() const {
  codec_parameters parameters(avcodec_parameters_alloc());
  if (!parameters)
    return fail(errc::encoder_failed, "no memory for an encoder's parameters");
  if (const int r = avcodec_parameters_from_context(parameters.get(), context_.get()); r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "reading the encoder's parameters"));
  return parameters;
}

result<void> video_encoder::push(const AVFrame& frame) {
  av_frame_unref(frame_.get());
  if (const int r = av_frame_ref(frame_.get(), &frame); r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "taking a frame"));
  // What the source said about this picture, captions and the like included, is nothing to the encoder.
  while (frame_->nb_side_data > 0)
    av_frame_remove_side_data(frame_.get(), frame_->side_data[0]->type);
  frame_->pict_type = pushed_ == 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  frame_->interlaced_frame = 0;
  frame_->key_frame = 0;
  frame_->quality = 0;
  ++pushed_;
  if (const int r = avcodec_send_frame(context_.get(), frame_.get()); r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "encoding a frame"));
  av_frame_unref(frame_.get());
  return drain();
}

result<void> video_encoder::drain() {
  for (;;) {
    const int r = avcodec_receive_packet(context_.get(), packet_.get());
    if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
      return {};
    if (r < 0)
      return tl::unexpected(av_error(errc::encoder_failed, r, "encoding"));
    const std::span<const unsigned char> data(packet_->data, static_cast<std::size_t>(packet_->size));
    sample made;
    made.data = annex_b_ ? to_length_prefixed(data) : std::vector<unsigned char>(data.begin(), data.end());
    made.pts = packet_->pts;
    made.key = packet_->flags & AV_PKT_FLAG_KEY;
    samples_.push_back(std::move(made));
    av_packet_unref(packet_.get());
  }
}

result<std::vector<sample>> video_encoder::finish(std::int64_t end) {
  if (const int r = avcodec_send_frame(context_.get(), nullptr); r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "finishing a segment"));
  if (auto done = drain(); !done)
    return tl::unexpected(done.error());
  if (samples_.size() != pushed_)
    return fail(errc::encoder_failed, fmt::format("the encoder took {} frames and gave {}", pushed_, samples_.size()));
  if (auto done = set_decode_times(samples_, end); !done)
    return tl::unexpected(done.error());
  return std::move(samples_);
}

result<encoder_choice> choose_encoder(std::string_view wanted, const plan& plan, const colour& colour) {
  std::string name(wanted);
  if (name.empty() || name == "auto")
    name = avcodec_find_encoder_by_name(videotoolbox) ? videotoolbox : x264;
  const auto try_all = [&](const std::string& encoder) -> result<void> {
    for (auto rendition : plan.renditions)
      if (rendition.kind == media_kind::video && rendition.encoder != copied) {
        rendition.encoder = encoder;
        if (auto opened = video_encoder::open(plan, rendition, colour); !opened)
          return tl::unexpected(opened.error());
      }
    return {};
  };
  const auto tried = try_all(name);
  if (tried)
    return encoder_choice{name, {}};
  if (name == x264)
    return tl::unexpected(tried.error());
  if (auto second = try_all(x264); !second)
    return tl::unexpected(second.error());
  return encoder_choice{
      x264, fmt::format("the encoder {} does not work here ({}); x264 is used instead", name, tried.error().text)};
}

} // namespace vp::media
