#pragma once

#include "media/error.hpp"
#include "media/types.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <concepts>
#include <cstdint>
#include <memory>
#include <string_view>

/// FFmpeg's handles as C++ values: every one is owned by a pointer that knows how to let it go. Only media/'s sources
/// include this; its contract headers are free of FFmpeg.
namespace vp::media {

struct av_deleter {
  void operator()(AVCodecContext* p) const noexcept { avcodec_free_context(&p); }
  void operator()(AVCodecParameters* p) const noexcept { avcodec_parameters_free(&p); }
  void operator()(AVFrame* p) const noexcept { av_frame_free(&p); }
  void operator()(AVPacket* p) const noexcept { av_packet_free(&p); }
  void operator()(AVFilterGraph* p) const noexcept { avfilter_graph_free(&p); }
  void operator()(AVFilterInOut* p) const noexcept { avfilter_inout_free(&p); }
  void operator()(AVBufferPool* p) const noexcept { av_buffer_pool_uninit(&p); }
  void operator()(AVBufferRef* p) const noexcept { av_buffer_unref(&p); }
  void operator()(SwsContext* p) const noexcept { sws_freeContext(p); }
  void operator()(SwrContext* p) const noexcept { swr_free(&p); }
  void operator()(AVIOContext* p) const noexcept {
    av_freep(&p->buffer); // may be another one by now than the one it was made with
    avio_context_free(&p);
  }
};

using codec_context = std::unique_ptr<AVCodecContext, av_deleter>;
using codec_parameters = std::unique_ptr<AVCodecParameters, av_deleter>;
using frame_ptr = std::unique_ptr<AVFrame, av_deleter>;
using packet_ptr = std::unique_ptr<AVPacket, av_deleter>;
using filter_graph = std::unique_ptr<AVFilterGraph, av_deleter>;
using filter_inout = std::unique_ptr<AVFilterInOut, av_deleter>;
using buffer_pool = std::unique_ptr<AVBufferPool, av_deleter>;
using buffer_ref = std::unique_ptr<AVBufferRef, av_deleter>;
using sws_context = std::unique_ptr<SwsContext, av_deleter>;
using swr_context = std::unique_ptr<SwrContext, av_deleter>;
using io_context = std::unique_ptr<AVIOContext, av_deleter>;

/// A format context that was opened for reading; its `pb` belongs to somebody else.
struct input_deleter {
  void operator()(AVFormatContext* p) const noexcept { avformat_close_input(&p); }
};
using input_context = std::unique_ptr<AVFormatContext, input_deleter>;

/// A format context for writing; its `pb` belongs to somebody else.
struct output_deleter {
  void operator()(AVFormatContext* p) const noexcept { avformat_free_context(p); }
};
using output_context = std::unique_ptr<AVFormatContext, output_deleter>;

/// Options on their way into a call: `avcodec_open2(c, codec, options.out())`. What the call did not know stays in it.
class dictionary {
public:
  dictionary() = default;
  dictionary(const dictionary&) = delete;
  dictionary& operator=(const dictionary&) = delete;
  ~dictionary() { av_dict_free(&dict_); }

  void set(const char* key, const char* value) { av_dict_set(&dict_, key, value, 0); }
  void set(const char* key, std::integral auto value) { av_dict_set_int(&dict_, key, value, 0); }

  /// The first key that is left over, or nullptr.
  const char* first_unused() const {
    const auto* entry = av_dict_get(dict_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
    return entry ? entry->key : nullptr;
  }

  AVDictionary** out() { return &dict_; }

private:
  AVDictionary* dict_ = nullptr;
};

/// FFmpeg's "no timestamp", and its two whole time bases as constants rather than C compound literals.
inline constexpr std::int64_t no_pts = INT64_MIN;
inline constexpr AVRational microseconds{1, AV_TIME_BASE};
inline constexpr AVRational audio_time_base{1, audio_sample_rate};

inline rational to_rational(AVRational r) {
  return {r.num, r.den};
}
inline AVRational to_av(const rational& r) {
  return {static_cast<int>(r.num), static_cast<int>(r.den)};
}

/// New packets and frames; memory that runs out ends the program as with any other allocation.
packet_ptr make_packet();
frame_ptr make_frame();

/// An error that says what was being done and what FFmpeg said, such as `opening the source: Invalid data found when
/// processing input`.
error av_error(errc code, int averror, std::string_view what);

} // namespace vp::media
