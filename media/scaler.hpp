#pragma once

#include "media/av.hpp"
#include "media/colour.hpp"

#include <memory>
#include <span>
#include <vector>

namespace vp::media {

/// Frames of one size and format, whose memory is used again.
class frame_pool {
public:
  frame_pool(int width, int height, AVPixelFormat format);

  result<frame_ptr> take();

private:
  int width_;
  int height_;
  AVPixelFormat format_;
  buffer_pool pool_;
};

/// Scales frames of any size, pixel format, range and matrix to one size of yuv420p in limited range. The same bytes on
/// every processor. A frame that needs nothing is passed on without a copy.
class scaler {
public:
  scaler(int width, int height, const colour& to, AVPixelFormat format = AV_PIX_FMT_YUV420P);

  /// A frame with the pts of `from`.
  result<frame_ptr> run(const AVFrame& from);

private:
  struct shape {
    int width = 0;
    int height = 0;
    int format = -1;
    colour meaning;

    friend bool operator==(const shape&, const shape&) = default;
  };

  result<void> prepare(const shape& from);
  result<frame_ptr> unpack(const AVFrame& from);

  int width_;
  int height_;
  colour to_;
  AVPixelFormat format_;
  shape from_;
  sws_context context_;
  std::unique_ptr<scaler> unpacker_; ///< a step in between that some formats need
  frame_pool pool_;
};

} // namespace vp::media
