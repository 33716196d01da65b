#include "media/filter_chain.hpp"

#include "media/portable_math.hpp"

extern "C" {
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/opt.h>
}

#include <fmt/format.h>

namespace vp::media {

result<filter_chain> filter_chain::open(const AVFrame& like, AVRational time_base, const std::string& description) {
  const native_math native;
  filter_chain chain;
  chain.time_base_ = time_base;
  chain.width_ = like.width;
  chain.height_ = like.height;
  chain.format_ = like.format;
  chain.graph_.reset(avfilter_graph_alloc());
  if (!chain.graph_)
    return fail(errc::encoder_failed, "no memory for filters");
  auto* graph = chain.graph_.get();
  graph->nb_threads = 1;
  const auto input = fmt::format("video_size={}x{}:pix_fmt={}:time_base={}/{}:pixel_aspect=1/1", like.width,
                                 like.height, like.format, time_base.num, time_base.den);
  int r = avfilter_graph_create_filter(&chain.in_, avfilter_get_by_name("buffer"), "in", input.c_str(), nullptr, graph);
  if (r >= 0)
    r = avfilter_graph_create_filter(&chain.out_, avfilter_get_by_name("buffersink"), "out", nullptr, nullptr, graph);
  if (r >= 0) {
    // The graph's own ends: what comes out of `in` goes into the text, and the other way round.
    filter_inout outputs(avfilter_inout_alloc());
    filter_inout inputs(avfilter_inout_alloc());
    if (!outputs || !inputs)
      return fail(errc::encoder_failed, "no memory for filters");
    outputs->name = av_strdup("in");
    outputs->filter_ctx = chain.in_;
    inputs->name = av_strdup("out");
    inputs->filter_ctx = chain.out_;
    auto* open_outputs = outputs.release();
    auto* open_inputs = inputs.release();
    r = avfilter_graph_parse_ptr(graph, description.c_str(), &open_inputs, &open_outputs, nullptr);
    inputs.reset(open_inputs);
    outputs.reset(open_outputs);
  }
  if (r >= 0)
    r = avfilter_graph_config(graph, nullptr);
  if (r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, fmt::format("setting up the filters {}", description)));
  return chain;
}

bool filter_chain::takes(const AVFrame& frame) const noexcept {
  return frame.width == width_ && frame.height == height_ && frame.format == format_;
}

result<void> filter_chain::push(const AVFrame* frame) {
  // KEEP_REF: the frame stays the caller's.
  const int r = av_buffersrc_write_frame(in_, frame);
  if (r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "filtering a picture"));
  return {};
}

result<frame_ptr> filter_chain::pull() {
  auto frame = make_frame();
  const int r = av_buffersink_get_frame(out_, frame.get());
  if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
    return frame_ptr{};
  if (r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "filtering a picture"));
  frame->pts = av_rescale_q(frame->pts, av_buffersink_get_time_base(out_), time_base_);
  return frame;
}

} // namespace vp::media
