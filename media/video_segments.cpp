#include "media/video_segments.hpp"

#include "media/plan_source.hpp"

#include <algorithm>

namespace vp::media {

namespace {

/// Deinterlacing looks at the neighbours of a picture. These many before and after a segment are given to it, and a new
/// filter is made for each segment, so that what was encoded before makes no difference.
constexpr int neighbours = 2;
constexpr const char* deinterlace = "bwdif=mode=send_frame:parity=auto:deint=interlaced";

} // namespace

video_segments::video_segments(const plan& plan, std::unique_ptr<demuxer> source, const colour& to, bool decodes_ahead)
    : plan_(plan), colour_(to), source_(std::move(source)), decodes_ahead_(decodes_ahead), ladder_(plan, to) {
  for (const auto& rendition : plan.renditions)
    if (rendition.kind == media_kind::video)
      rungs_.push_back(rendition);
}

result<std::unique_ptr<video_segments>> video_segments::open(byte_source& source, const plan& plan,
                                                             const interrupt& stop, bool decodes_ahead) {
  auto opened = open_video(source, plan, stop);
  if (!opened)
    return tl::unexpected(opened.error());
  const int index = plan.source.video->index;
  const auto to = output_colour(*(*opened)->stream(index).codecpar);
  std::unique_ptr<video_segments> self(new video_segments(plan, std::move(*opened), to, decodes_ahead));
  auto reader = frame_reader::open(*self->source_, index, timeline(plan));
  if (!reader)
    return tl::unexpected(reader.error());
  self->reader_ = std::move(*reader);
  return self;
}

result<std::vector<fragment>> video_segments::encode(const segment& cell, const std::vector<bool>& wanted,
                                                     const interrupt& stop) {
  source_->obey(stop);
  auto made = encode_once(cell, wanted, false);
  // Damage may look different to a decoder that came another way, so what counts is how it looks after a seek.
  if (made && reader_->went_on() && reader_->damaged())
    made = encode_once(cell, wanted, true);
  return made;
}

result<std::vector<fragment>> video_segments::encode_once(const segment& cell, const std::vector<bool>& wanted,
                                                          bool afresh) {
  encoder_set open(rungs_.size());
  for (std::size_t i = 0; i < rungs_.size(); ++i)
    if (wanted[i]) {
      auto opened = video_encoder::open(plan_, rungs_[i], colour_);
      if (!opened)
        return tl::unexpected(opened.error());
      open[i] = std::move(*opened);
    }
  while (!open.back()) // a rung is made from those above it, not from those below
    open.pop_back();

  const auto frames = encode_frames(cell, open, afresh);
  if (!frames)
    return tl::unexpected(frames.error());
  if (*frames == 0)
    if (auto done = encode_stand_in(cell, open); !done)
      return tl::unexpected(done.error());

  std::vector<fragment> fragments;
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (!open[i])
      continue;
    const auto samples = open[i]->finish(cell.end);
    if (!samples)
      return tl::unexpected(samples.error());
    fragment made;
    made.rendition = rungs_[i].id;
    made.segment = cell.number;
    made.start = cell.start;
    made.duration = cell.end - cell.start;
    made.frames = static_cast<std::uint32_t>(samples->size());
    made.bytes = write_fragment(*samples, cell.number + 1);
    fragments.push_back(std::move(made));
    open[i].reset();
  }
  return fragments;
}

result<std::uint32_t> video_segments::encode_frames(const segment& cell, encoder_set& encoders, bool afresh) {
  deinterlacer_.reset();
  changed_.reset();
  after_ = 0;
  const int before = plan_.source.video->interlaced ? neighbours : 0;
  if (auto done = reader_->position(cell.start, before, afresh); !done)
    return tl::unexpected(done.error());
  // How many pictures a deinterlacer takes is for it to say.
  if (decodes_ahead_ && before == 0)
    ahead_.emplace(*reader_, cell.start, cell.end, cell.frames);
  auto frames = push_frames(cell, encoders);
  ahead_.reset();
  return frames;
}

result<std::uint32_t> video_segments::push_frames(const segment& cell, encoder_set& encoders) {
  std::uint32_t count = 0;
  while (count < cell.frames) {
    const auto picture = next_picture(cell);
    if (!picture)
      return tl::unexpected(picture.error());
    if (!*picture || (*picture)->pts >= cell.end)
      break;
    if ((*picture)->pts < cell.start)
      continue;
    // A first frame that is missing leaves no hole: the next one is shown in its place.
    if (auto done = push(**picture, count == 0 ? cell.start : (*picture)->pts, encoders); !done)
      return tl::unexpected(done.error());
    ++count;
  }
  return count;
}

/// All frames of the segment were lost, so the nearest is shown: the next one, or the last before.
result<void> video_segments::encode_stand_in(const segment& cell, encoder_set& encoders) {
  if (auto done = reader_->position(cell.end, 0, true); !done)
    return done;
  auto frame = reader_->next();
  if (frame && !*frame) {
    if (auto done = reader_->position(cell.start, 1, true); !done)
      return done;
    frame = reader_->next();
  }
  if (!frame)
    return tl::unexpected(frame.error());
  if (!*frame)
    return fail(errc::broken_media, "no picture of the video could be decoded");
  return push(**frame, cell.start, encoders);
}

result<void> video_segments::push(const AVFrame& frame, std::int64_t pts, encoder_set& encoders) {
  auto pictures = ladder_.run(frame, encoders.size());
  if (!pictures)
    return tl::unexpected(pictures.error());
  for (std::size_t i = 0; i < encoders.size(); ++i)
    if (encoders[i]) {
      (*pictures)[i]->pts = pts;
      if (auto done = encoders[i]->push(*(*pictures)[i]); !done)
        return done;
    }
  return {};
}

/// The next frame, deinterlaced where the source needs it.
result<frame_ptr> video_segments::next_picture(const segment& cell) {
  if (!plan_.source.video->interlaced)
    return ahead_ ? ahead_->next() : reader_->next();
  for (;;) {
    if (deinterlacer_) {
      auto picture = deinterlacer_->pull();
      if (!picture || *picture || after_ > neighbours)
        return picture;
    }
    auto frame = std::move(changed_);
    if (frame) {
      deinterlacer_.reset(); // which has given all it had
    } else {
      auto read = reader_->next();
      if (!read)
        return read;
      frame = std::move(*read);
    }
    if (frame && deinterlacer_ && !deinterlacer_->takes(*frame)) {
      changed_ = std::move(frame);
      if (auto pushed = deinterlacer_->push(nullptr); !pushed)
        return tl::unexpected(pushed.error());
      continue;
    }
    if (frame && !deinterlacer_) {
      auto opened = filter_chain::open(*frame, {1, static_cast<int>(plan_.timescale)}, deinterlace);
      if (!opened)
        return tl::unexpected(opened.error());
      deinterlacer_ = std::move(*opened);
    }
    if (!deinterlacer_)
      return frame; // the video ended before the segment
    if (frame && frame->pts >= cell.end)
      ++after_;
    if (auto pushed = deinterlacer_->push(frame.get()); !pushed)
      return tl::unexpected(pushed.error());
    if (!frame || after_ == neighbours) {
      if (frame)
        if (auto pushed = deinterlacer_->push(nullptr); !pushed)
          return tl::unexpected(pushed.error());
      after_ = neighbours + 1; // closed: what it has left is all there will be
    }
  }
}

} // namespace vp::media
