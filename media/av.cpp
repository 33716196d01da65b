#include "media/av.hpp"

#include <fmt/format.h>

#include <new>

namespace vp::media {

packet_ptr make_packet() {
  packet_ptr packet(av_packet_alloc());
  if (!packet)
    throw std::bad_alloc();
  return packet;
}

frame_ptr make_frame() {
  frame_ptr frame(av_frame_alloc());
  if (!frame)
    throw std::bad_alloc();
  return frame;
}

error av_error(errc code, int averror, std::string_view what) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(averror, text, sizeof text);
  return {code, fmt::format("{}: {}", what, text)};
}

} // namespace vp::media
