#pragma once

#include "media/demuxer.hpp"
#include "media/h264_samples.hpp"
#include "media/mp4.hpp"
#include "media/timeline.hpp"

#include <memory>
#include <string>
#include <vector>

namespace vp::media {

/// Makes fragments of a source's own pictures, whose bytes stay as they are: for a plan with a `copied` rendition.
class video_copier {
public:
  /// `source` must outlive it.
  static result<std::unique_ptr<video_copier>> open(byte_source& source, const plan& plan, const interrupt& stop);

  /// The fragment of `cell`, which has frames. `not_copyable` where the pictures are not what the index says, so that
  /// they have to be encoded after all.
  result<fragment> copy(const segment& cell, const interrupt& stop);

private:
  video_copier(const plan& plan, std::unique_ptr<demuxer> source);

  result<std::vector<sample>> read(const segment& cell);

  std::string rendition_;
  int stream_;
  timeline time_;
  std::unique_ptr<demuxer> source_;
  h264_samples samples_;
  packet_ptr packet_ = make_packet();
};

} // namespace vp::media
