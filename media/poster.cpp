#include "media/poster.hpp"

#include "media/colour.hpp"
#include "media/frame_reader.hpp"
#include "media/picture_ladder.hpp"

#include <algorithm>
#include <optional>

namespace vp::media {

namespace {

constexpr int widest = 640;
constexpr double at_fraction = 0.1;
constexpr int most_keyframes = 8; ///< to look at, one after the other
constexpr int most_seconds = 30;  ///< to look for them
constexpr int most_frames = 240;  ///< to decode one after the other, where all keyframes are dark
constexpr int look_at_every = 12;
constexpr double dark = 48;     ///< mean of luma; 16 is black
constexpr int jpeg_quality = 3; ///< of 2 (best) to 31

double brightness(const AVFrame& picture) {
  double sum = 0;
  for (int y = 0; y < picture.height; ++y) {
    const auto* row = picture.data[0] + static_cast<std::ptrdiff_t>(y) * picture.linesize[0];
    for (int x = 0; x < picture.width; ++x)
      sum += row[x];
  }
  return sum / picture.width / picture.height;
}

result<std::vector<unsigned char>> to_jpeg(const AVFrame& picture) {
  codec_context context(avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG)));
  if (!context)
    return fail(errc::encoder_failed, "there is no JPEG encoder here");
  context->width = picture.width;
  context->height = picture.height;
  context->pix_fmt = AV_PIX_FMT_YUV420P;
  context->color_range = AVCOL_RANGE_JPEG;
  context->time_base = {1, 25};
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
  context->global_quality = jpeg_quality * FF_QP2LAMBDA;
  context->dct_algo = FF_DCT_INT; // the same on every processor
  auto packet = make_packet();
  int r = avcodec_open2(context.get(), context->codec, nullptr);
  if (r >= 0)
    r = avcodec_send_frame(context.get(), &picture);
  if (r >= 0)
    r = avcodec_receive_packet(context.get(), packet.get());
  if (r < 0)
    return tl::unexpected(av_error(errc::encoder_failed, r, "making the poster"));
  return std::vector<unsigned char>(packet->data, packet->data + packet->size);
}

/// Looks at pictures and keeps the best one.
class chooser {
public:
  chooser(const plan& plan, const colour& to) : ladder_(plan, to) {}

  /// True once there is no need to look further.
  result<bool> look_at(const AVFrame& frame) {
    auto pictures = ladder_.run(frame, 1);
    if (!pictures)
      return tl::unexpected(pictures.error());
    const auto now = brightness(*pictures->front());
    if (!best_ || now > brightness_) {
      best_ = std::move(pictures->front());
      brightness_ = now;
    }
    return satisfied();
  }

  bool satisfied() const { return best_ && brightness_ >= dark; }
  const AVFrame* best() const { return best_.get(); }

private:
  picture_ladder ladder_;
  frame_ptr best_;
  double brightness_ = 0;
};

result<void> look_at_keyframes(demuxer& source, const plan& plan, std::int64_t from, chooser& choose) {
  const int index = plan.source.video->index;
  const timeline time(plan);
  if (auto done = source.seek(index, time.pts(from)); !done)
    return done;
  auto packet = make_packet();
  for (int looked_at = 0; looked_at < most_keyframes;) {
    const auto more = source.read(*packet);
    if (!more)
      return tl::unexpected(more.error());
    if (!*more || (packet->pts != no_pts && time.ticks(packet->pts) > from + time.seconds(most_seconds)))
      return {};
    if (!(packet->flags & AV_PKT_FLAG_KEY))
      continue;
    // Each for itself, with a decoder of its own.
    auto decoder = video_decoder::open(source, index);
    if (!decoder)
      return tl::unexpected(decoder.error());
    decoder->send(packet.get());
    auto frame = decoder->receive();
    if (!frame) {
      decoder->send(nullptr);
      frame = decoder->receive();
    }
    if (!frame)
      continue;
    const auto enough = choose.look_at(*frame);
    if (!enough)
      return tl::unexpected(enough.error());
    if (*enough)
      return {};
    ++looked_at;
  }
  return {};
}

result<void> look_at_frames(demuxer& source, const plan& plan, std::int64_t from, chooser& choose) {
  auto reader = frame_reader::open(source, plan.source.video->index, timeline(plan));
  if (!reader)
    return tl::unexpected(reader.error());
  if (auto done = (*reader)->position(from, 0); !done)
    return done;
  for (int count = 0; count < most_frames; ++count) {
    const auto frame = (*reader)->next();
    if (!frame)
      return tl::unexpected(frame.error());
    if (!*frame)
      return {};
    if (count % look_at_every != 0)
      continue;
    const auto enough = choose.look_at(**frame);
    if (!enough)
      return tl::unexpected(enough.error());
    if (*enough)
      return {};
  }
  return {};
}

} // namespace

std::int64_t poster_time(std::int64_t video_end) {
  return static_cast<std::int64_t>(static_cast<double>(video_end) * at_fraction);
}

result<std::vector<unsigned char>> make_poster(byte_source& source, const plan& plan, const interrupt& stop) {
  const auto largest = std::find_if(plan.renditions.begin(), plan.renditions.end(),
                                    [](const auto& r) { return r.kind == media_kind::video; });
  if (largest == plan.renditions.end())
    return fail(errc::invalid_request, "there is no video to make a poster of");
  auto small = plan;
  small.renditions = {*largest};
  auto& size = small.renditions.front();
  if (size.width > widest) {
    size.height = std::max(2, size.height * widest / size.width / 2 * 2);
    size.width = widest;
  }

  auto opened = demuxer::open(source, stop);
  if (!opened)
    return tl::unexpected(opened.error());
  const int index = plan.source.video->index;
  (*opened)->select(std::array{index});
  const auto from = poster_time(plan.video_end);
  const auto meaning = output_colour(*(*opened)->stream(index).codecpar);
  chooser choose(small, meaning);
  auto looked = look_at_keyframes(**opened, plan, from, choose);
  if (looked && !choose.satisfied())
    looked = look_at_frames(**opened, plan, from, choose);
  if (!looked)
    return tl::unexpected(looked.error());
  if (!choose.best())
    return fail(errc::broken_media, "no picture of the video could be decoded");
  // JPEG is full range, and BT.601 whatever the video is (JFIF 1.02).
  scaler to_full(size.width, size.height, {AVCOL_SPC_BT470BG, meaning.primaries, meaning.transfer, true});
  const auto full = to_full.run(*choose.best());
  if (!full)
    return tl::unexpected(full.error());
  return to_jpeg(**full);
}

} // namespace vp::media
