#include "media/scaler.hpp"

#include "media/portable_math.hpp"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
}

#include <new>

namespace vp::media {

namespace {

/// Rows begin where the widest vector instructions like them to.
constexpr int alignment = 64;

constexpr int scaling_flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;

/// Of the same size, swscale has routines of its own for these that round as the processor does.
bool is_packed_422(int format) {
  return format == AV_PIX_FMT_YUYV422 || format == AV_PIX_FMT_UYVY422;
}

constexpr int fixed_one = 1 << 16; // neither contrast nor saturation is changed

} // namespace

frame_pool::frame_pool(int width, int height, AVPixelFormat format) : width_(width), height_(height), format_(format) {
  const int size = av_image_get_buffer_size(format, width, height, alignment);
  pool_.reset(av_buffer_pool_init(static_cast<std::size_t>(std::max(size, 0)) + alignment, nullptr));
  if (!pool_)
    throw std::bad_alloc();
}

result<frame_ptr> frame_pool::take() {
  auto frame = make_frame();
  frame->format = format_;
  frame->width = width_;
  frame->height = height_;
  frame->buf[0] = av_buffer_pool_get(pool_.get());
  if (!frame->buf[0])
    return fail(errc::encoder_failed, "no memory for a picture");
  const int r =
      av_image_fill_arrays(frame->data, frame->linesize, frame->buf[0]->data, format_, width_, height_, alignment);
  if (r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "laying out a picture"));
  return frame;
}

scaler::scaler(int width, int height, const colour& to, AVPixelFormat format)
    : width_(width), height_(height), to_(to), format_(format), pool_(width, height, format) {}

result<frame_ptr> scaler::run(const AVFrame& from) {
  const shape is{from.width, from.height, from.format, colour_of(from)};
  if (is.width == width_ && is.height == height_ && is.format == format_ && is.meaning.full_range == to_.full_range
      && is.meaning.matrix == to_.matrix) {
    frame_ptr same(av_frame_clone(&from));
    if (!same)
      throw std::bad_alloc();
    return same;
  }
  if (is.width == width_ && is.height == height_ && is_packed_422(is.format) && format_ != AV_PIX_FMT_YUV422P)
    return unpack(from);
  if (!context_ || is != from_)
    if (auto done = prepare(is); !done)
      return tl::unexpected(done.error());
  auto to = pool_.take();
  if (!to)
    return to;
  const int rows = sws_scale(context_.get(), from.data, from.linesize, 0, from.height, (*to)->data, (*to)->linesize);
  if (rows != height_)
    return fail(errc::encoder_failed, "scaling a picture failed");
  (*to)->pts = from.pts;
  (*to)->colorspace = to_.matrix;
  (*to)->color_primaries = to_.primaries;
  (*to)->color_trc = to_.transfer;
  (*to)->color_range = to_.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  return to;
}

/// By way of planes, which changes no sample.
result<frame_ptr> scaler::unpack(const AVFrame& from) {
  if (!unpacker_ || unpacker_->to_ != colour_of(from))
    unpacker_ = std::make_unique<scaler>(width_, height_, colour_of(from), AV_PIX_FMT_YUV422P);
  const auto planes = unpacker_->run(from);
  return planes ? run(**planes) : tl::unexpected(planes.error());
}

result<void> scaler::prepare(const shape& from) {
  const native_math native;
  context_.reset(sws_alloc_context());
  if (!context_)
    throw std::bad_alloc();
  auto* c = context_.get();
  av_opt_set_int(c, "srcw", from.width, 0);
  av_opt_set_int(c, "srch", from.height, 0);
  av_opt_set_int(c, "src_format", from.format, 0);
  av_opt_set_int(c, "src_range", from.meaning.full_range, 0);
  av_opt_set_int(c, "dstw", width_, 0);
  av_opt_set_int(c, "dsth", height_, 0);
  av_opt_set_int(c, "dst_format", format_, 0);
  av_opt_set_int(c, "dst_range", to_.full_range, 0);
  av_opt_set_int(c, "sws_flags", scaling_flags, 0);
  // Before the call below, which needs it where matrices differ: then it goes by way of RGB.
  if (const int r = sws_init_context(c, nullptr, nullptr); r < 0)
    return tl::unexpected(av_error(errc::unsupported_media, r, "scaling pictures of this kind"));
  sws_setColorspaceDetails(c, sws_getCoefficients(from.meaning.matrix), from.meaning.full_range,
                           sws_getCoefficients(to_.matrix), to_.full_range, 0, fixed_one, fixed_one);
  from_ = from;
  return {};
}

} // namespace vp::media
