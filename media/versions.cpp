#include "media/versions.hpp"

#include "media/av.hpp"
#include "media/ladder.hpp"
#include "media/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace vp::media {

namespace {

std::string spelled(unsigned version) {
  return fmt::format("{}.{}.{}", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version), AV_VERSION_MICRO(version));
}

/// x264 writes its version into what it makes, and tells it nowhere else.
result<std::string> x264_version() {
  constexpr int side = 64;
  capture_av_log();
  const auto* codec = avcodec_find_encoder_by_name("libx264");
  if (!codec)
    return std::string("none");
  const codec_context context{avcodec_alloc_context3(codec)};
  const auto frame = make_frame();
  const auto packet = make_packet();
  if (!context)
    return fail(errc::encoder_failed, "not enough memory");
  context->width = frame->width = side;
  context->height = frame->height = side;
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  frame->format = AV_PIX_FMT_YUV420P;
  context->time_base = {1, 25};
  context->thread_count = 1;
  if (avcodec_open2(context.get(), codec, nullptr) < 0 || av_frame_get_buffer(frame.get(), 0) < 0)
    return fail(errc::encoder_failed, "x264 does not open");
  for (int plane = 0; plane < 3; ++plane)
    std::fill_n(frame->data[plane], frame->linesize[plane] * (plane == 0 ? side : side / 2), std::uint8_t{128});
  frame->pts = 0;
  if (avcodec_send_frame(context.get(), frame.get()) < 0 || avcodec_send_frame(context.get(), nullptr) < 0
      || avcodec_receive_packet(context.get(), packet.get()) < 0)
    return fail(errc::encoder_failed, "x264 does not encode");
  const std::string_view bytes{reinterpret_cast<const char*>(packet->data), static_cast<std::size_t>(packet->size)};
  constexpr std::string_view begin = "x264 - core ";
  const auto at = bytes.find(begin);
  const auto end = bytes.find(" - ", at == std::string_view::npos ? at : at + begin.size());
  if (end == std::string_view::npos)
    return fail(errc::encoder_failed, "x264 does not tell its version");
  return std::string(bytes.substr(at + begin.size(), end - at - begin.size()));
}

} // namespace

result<std::map<std::string, std::string>> versions() {
  auto x264 = x264_version();
  if (!x264)
    return tl::unexpected(x264.error());
  return std::map<std::string, std::string>{{"libavcodec", spelled(avcodec_version())},
                                            {"libavfilter", spelled(avfilter_version())},
                                            {"libavformat", spelled(avformat_version())},
                                            {"libavutil", spelled(avutil_version())},
                                            {"libswresample", spelled(swresample_version())},
                                            {"libswscale", spelled(swscale_version())},
                                            {"x264", std::move(*x264)},
                                            {"format of the files", std::to_string(format_version)}};
}

} // namespace vp::media
