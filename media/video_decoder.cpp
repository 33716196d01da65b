#include "media/video_decoder.hpp"

#include <fmt/format.h>

#include <utility>

namespace vp::media {

namespace {

/// The largest reordering of any codec, and some.
constexpr std::size_t most_delay = 32;

} // namespace

result<video_decoder> video_decoder::open(demuxer& source, int stream) {
  const auto& parameters = *source.stream(stream).codecpar;
  const auto* codec = avcodec_find_decoder(parameters.codec_id);
  const char* name = avcodec_get_name(parameters.codec_id);
  if (!codec)
    return fail(errc::unsupported_media, fmt::format("there is no decoder for '{}'", name));
  video_decoder decoder;
  decoder.decoding_times_only_ = source.has_decoding_times_only(stream);
  decoder.context_.reset(avcodec_alloc_context3(codec));
  auto* context = decoder.context_.get();
  if (!context || avcodec_parameters_to_context(context, &parameters) < 0)
    return fail(errc::internal, "no memory for a decoder");
  context->pkt_timebase = source.stream(stream).time_base;
  context->thread_count = 1;
  context->max_pixels = source_limits::pixels;
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  const native_math native;
  if (const int r = avcodec_open2(context, codec, nullptr); r < 0)
    return tl::unexpected(av_error(errc::unsupported_media, r, fmt::format("opening the decoder for '{}'", name)));
  return decoder;
}

void video_decoder::send(const AVPacket* packet) {
  if (packet) {
    sent_.push_back(packet->dts);
    if (sent_.size() > most_delay)
      sent_.pop_front();
  }
  draining_ = draining_ || !packet;
  const auto native = setting_up();
  if (avcodec_send_packet(context_.get(), packet) < 0 && packet)
    damaged_ = true;
}

frame_ptr video_decoder::receive() {
  auto frame = make_frame();
  const auto native = setting_up();
  for (;;) {
    const int r = avcodec_receive_frame(context_.get(), frame.get());
    if (r == AVERROR(EAGAIN))
      return nullptr;
    if (r == AVERROR_EOF) {
      ended_ = true;
      return nullptr;
    }
    if (r < 0) {
      damaged_ = true;
      continue;
    }
    if (std::exchange(delay_, context_->has_b_frames) != context_->has_b_frames && count_ > 0)
      damaged_ = true;
    ++count_;
    if (frame->decode_error_flags != 0 || frame->flags & AV_FRAME_FLAG_CORRUPT)
      damaged_ = true;
    frame->pts = presentation_time(*frame);
    if (frame->pts != no_pts)
      return frame;
  }
}

/// Many a decoder chooses its routines only when it sees the first picture's header.
std::unique_ptr<native_math> video_decoder::setting_up() const {
  return count_ == 0 ? std::make_unique<native_math>() : nullptr;
}

std::int64_t video_decoder::presentation_time(const AVFrame& frame) {
  if (!decoding_times_only_)
    return frame.pts != no_pts ? frame.pts : frame.best_effort_timestamp;
  // The decoder holds `delay_` frames back, so this one is shown when the packet that many before the last one was
  // decoded.
  const auto back = delay_ - (draining_ ? ++drained_ : 0);
  const auto at = static_cast<std::int64_t>(sent_.size()) - 1 - back;
  return at >= 0 && at < static_cast<std::int64_t>(sent_.size()) ? sent_[static_cast<std::size_t>(at)] : no_pts;
}

} // namespace vp::media
