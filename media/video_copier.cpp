#include "media/video_copier.hpp"

#include "media/plan_source.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace vp::media {

namespace {

tl::unexpected<error> not_as_told(std::string_view what) {
  return fail(errc::not_copyable, fmt::format("the source's own pictures can't be used: {}", what));
}

} // namespace

video_copier::video_copier(const plan& plan, std::unique_ptr<demuxer> source)
    : rendition_(plan.renditions.front().id), stream_(plan.source.video->index), time_(plan),
      source_(std::move(source)), samples_(*source_->stream(stream_).codecpar) {
  source_->select(std::array{stream_});
}

result<std::unique_ptr<video_copier>> video_copier::open(byte_source& source, const plan& plan, const interrupt& stop) {
  auto opened = open_video(source, plan, stop);
  if (!opened)
    return tl::unexpected(opened.error());
  if ((*opened)->stream(plan.source.video->index).codecpar->codec_id != AV_CODEC_ID_H264)
    return fail(errc::invalid_request, "the plan is for another source");
  return std::unique_ptr<video_copier>(new video_copier(plan, std::move(*opened)));
}

result<fragment> video_copier::copy(const segment& cell, const interrupt& stop) {
  source_->obey(stop);
  auto samples = read(cell);
  if (!samples)
    return tl::unexpected(samples.error());
  if (auto done = set_decode_times(*samples, cell.end); !done)
    return tl::unexpected(done.error());
  if (samples->front().dts != cell.start || samples->back().dts >= cell.end)
    return not_as_told("they are shown at other times");
  fragment made;
  made.rendition = rendition_;
  made.segment = cell.number;
  made.start = cell.start;
  made.duration = cell.end - cell.start;
  made.frames = static_cast<std::uint32_t>(samples->size());
  made.bytes = write_fragment(*samples, cell.number + 1);
  return made;
}

/// Reads no more than the segment has, for what is behind it need not be there.
result<std::vector<sample>> video_copier::read(const segment& cell) {
  if (auto done = source_->seek(stream_, time_.pts(cell.start)); !done)
    return tl::unexpected(done.error());
  std::vector<sample> samples;
  while (samples.size() < cell.frames) {
    const auto more = source_->read(*packet_);
    if (!more)
      return tl::unexpected(more.error());
    if (!*more)
      return not_as_told("some are missing");
    const bool key = packet_->flags & AV_PKT_FLAG_KEY;
    const auto shown = packet_->pts == no_pts ? INT64_MIN : time_.ticks(packet_->pts);
    // Told with the first packet of others, which may be one that is not wanted.
    if (av_packet_get_side_data(packet_.get(), AV_PKT_DATA_NEW_EXTRADATA, nullptr))
      return not_as_told("they change their parameters on the way");
    if (samples.empty() && (!key || shown < cell.start))
      continue; // the seek went further back than it had to
    if (const auto* fault = samples_.fault({packet_->data, static_cast<std::size_t>(packet_->size)}, key))
      return not_as_told(fault);
    samples.push_back({{packet_->data, packet_->data + packet_->size}, shown, 0, 0, key});
  }
  return samples;
}

} // namespace vp::media
