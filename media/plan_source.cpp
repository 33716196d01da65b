#include "media/plan_source.hpp"

namespace vp::media {

result<std::unique_ptr<demuxer>> open_video(byte_source& source, const plan& plan, const interrupt& stop) {
  if (!plan.source.video)
    return fail(errc::invalid_request, "the plan has no video");
  auto opened = demuxer::open(source, stop);
  if (!opened)
    return opened;
  const int index = plan.source.video->index;
  const auto& format = (*opened)->format();
  if (index < 0 || index >= static_cast<int>(format.nb_streams)
      || format.streams[index]->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
    return fail(errc::invalid_request, "the plan is for another source");
  return opened;
}

} // namespace vp::media
