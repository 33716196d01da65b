#include "media/picture_ladder.hpp"

#include <algorithm>

namespace vp::media {

namespace {

std::string turning_filters(const video_stream& video) {
  std::string filters = video.mirrored ? "hflip" : "";
  const auto add = [&](const char* filter) { filters += (filters.empty() ? "" : ",") + std::string(filter); };
  switch (video.rotation) {
  case 90:
    add("transpose=clock");
    break;
  case 180:
    add("hflip,vflip");
    break;
  case 270:
    add("transpose=cclock");
    break;
  default:
    break;
  }
  return filters;
}

} // namespace

std::vector<std::size_t> scaling_sources(const std::vector<int>& sides) {
  std::vector<std::size_t> from;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    std::size_t best = i == 0 ? 0 : i - 1;
    while (best > 0 && 2 * sides[best] < 3 * sides[i])
      --best;
    from.push_back(best);
  }
  return from;
}

picture_ladder::picture_ladder(const plan& plan, const colour& to) : time_base_{1, static_cast<int>(plan.timescale)} {
  const auto& video = *plan.source.video;
  turn_ = turning_filters(video);
  std::vector<int> sides;
  for (const auto& rendition : plan.renditions) {
    if (rendition.kind != media_kind::video)
      continue;
    sides.push_back(std::min(rendition.width, rendition.height));
    if (!steps_.empty()) {
      steps_.emplace_back(rendition.width, rendition.height, to);
      continue;
    }
    const bool turned = video.rotation % 180 != 0;
    lying_width_ = turned ? rendition.height : rendition.width;
    lying_height_ = turned ? rendition.width : rendition.height;
    steps_.emplace_back(lying_width_, lying_height_, to);
  }
  from_ = scaling_sources(sides);
}

result<std::vector<frame_ptr>> picture_ladder::run(const AVFrame& frame, std::size_t rungs) {
  std::vector<frame_ptr> pictures;
  for (std::size_t i = 0; i < rungs; ++i) {
    auto picture = i == 0 ? largest(frame) : steps_[i].run(*pictures[from_[i]]);
    if (!picture)
      return tl::unexpected(picture.error());
    pictures.push_back(std::move(*picture));
  }
  return pictures;
}

result<frame_ptr> picture_ladder::largest(const AVFrame& frame) {
  const auto meaning = colour_of(frame);
  if (!is_hdr(meaning.transfer)) {
    auto picture = steps_.front().run(frame);
    return picture ? upright(std::move(*picture)) : std::move(picture);
  }
  if (!hdr_step_) {
    const colour wide{AVCOL_SPC_BT2020_NCL, AVCOL_PRI_BT2020, meaning.transfer, false};
    hdr_step_.emplace(lying_width_, lying_height_, wide, AV_PIX_FMT_YUV420P10);
    tone_map_.emplace(lying_width_, lying_height_);
  }
  auto wide = hdr_step_->run(frame);
  if (!wide)
    return wide;
  (*wide)->color_trc = meaning.transfer;
  auto picture = tone_map_->run(**wide);
  return picture ? upright(std::move(*picture)) : std::move(picture);
}

result<frame_ptr> picture_ladder::upright(frame_ptr picture) {
  if (turn_.empty())
    return picture;
  if (!turning_) {
    auto opened = filter_chain::open(*picture, time_base_, turn_);
    if (!opened)
      return tl::unexpected(opened.error());
    turning_ = std::move(*opened);
  }
  if (auto pushed = turning_->push(picture.get()); !pushed)
    return tl::unexpected(pushed.error());
  auto turned = turning_->pull();
  if (turned && !*turned)
    return fail(errc::encoder_failed, "turning a picture upright failed");
  return turned;
}

} // namespace vp::media
