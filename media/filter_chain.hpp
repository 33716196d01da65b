#pragma once

#include "media/av.hpp"

#include <string>

namespace vp::media {

/// A chain of libavfilter's filters with one video in and one out, run by the caller's thread alone.
class filter_chain {
public:
  /// For frames like this one; `description` is written as for ffmpeg's `-vf`. Error: `encoder_failed`.
  static result<filter_chain> open(const AVFrame& like, AVRational time_base, const std::string& description);

  /// Whether this frame has the size and the format of those that the chain was opened for.
  bool takes(const AVFrame& frame) const noexcept;

  /// Null: there is no more.
  result<void> push(const AVFrame* frame);

  /// A frame with its pts in the time base of `open`; null where more has to be pushed first, or all has come.
  result<frame_ptr> pull();

private:
  filter_graph graph_;
  AVFilterContext* in_ = nullptr;
  AVFilterContext* out_ = nullptr;
  AVRational time_base_{};
  int width_ = 0;
  int height_ = 0;
  int format_ = -1;
};

} // namespace vp::media
