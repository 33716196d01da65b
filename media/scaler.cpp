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
