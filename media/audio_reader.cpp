#include "media/audio_reader.hpp"

#include "media/audio_clock.hpp"
#include "media/demuxer.hpp"
#include "media/portable_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace vp::media {

namespace {

/// Where the index, if any, is that of the video: seeking by an audio stream would read from the start.
constexpr std::array<std::string_view, 3> indexed_by_video{"matroska", "flv", "asf"};

constexpr std::int64_t first_step_back = 500'000; // microseconds

// Some decoders set up a resampler or a filter bank when a packet first needs one.
int send(codec_context& decoder, const AVPacket* packet) {
  const portable_math portable;
  return avcodec_send_packet(decoder.get(), packet);
}
int receive(codec_context& decoder, AVFrame& frame) {
  const portable_math portable;
  return avcodec_receive_frame(decoder.get(), &frame);
}

} // namespace

audio_reader::audio_reader(byte_source& source, const plan& plan)
    : source_(source), plan_(plan), stream_(plan.source.audio->index) {}

audio_reader::~audio_reader() = default;

result<stereo> audio_reader::read(std::int64_t from, std::int64_t to, const interrupt& stop) {
  audio_mixer mixer(from, to);
  if (plan_.audio_anchors.empty()) // a stream without a packet
    return std::move(mixer).finish();
  if (auto done = open(stop); !done)
    return tl::unexpected(done.error());
  auto decoder = open_decoder();
  if (!decoder)
    return tl::unexpected(decoder.error());

  const std::int64_t rate = decoder->get()->pkt_timebase.den;
  const auto run_up = rate / 4; // longer than any codec remembers: MP3's reservoir, Opus' 80 ms
  const auto begin = av_rescale_rnd(from, rate, audio_sample_rate, AV_ROUND_DOWN) - run_up;

  audio_clock clock(demuxer_->stream(stream_), demuxer_->format_name(), plan_.source.start_time);
  const auto frame = make_frame();
  const auto take_frames = [&]() -> result<void> {
    while (!mixer.full() && receive(*decoder, *frame) >= 0) {
      if (frame->sample_rate <= 0 || frame->nb_samples <= 0 || frame->ch_layout.nb_channels <= 0)
        continue;
      const auto position = frame->pts == no_pts ? mixer.next() : av_rescale(frame->pts, frame->sample_rate, rate);
      if (auto done = mixer.add(*frame, position); !done)
        return done;
    }
    return {};
  };

  const auto packet = make_packet();
  auto more = go_to(begin, clock, *packet, stop);
  for (; more && *more && !mixer.full(); more = next(*packet, stop)) {
    const auto position = clock.position(*packet);
    if (position < begin)
      continue;
    packet->pts = packet->dts = position;
    packet->duration = clock.samples();
    if (send(*decoder, packet.get()) < 0)
      continue; // damaged: its place stays silent
    if (auto done = take_frames(); !done)
      return tl::unexpected(done.error());
  }
  if (!more)
    return tl::unexpected(more.error());
  send(*decoder, nullptr);
  if (auto done = take_frames(); !done)
    return tl::unexpected(done.error());
  return std::move(mixer).finish();
}

result<void> audio_reader::open(const interrupt& stop) {
  if (demuxer_) {
    demuxer_->obey(stop);
    return {};
  }
  auto opened = demuxer::open(source_, stop);
  if (!opened)
    return tl::unexpected(opened.error());
  if (stream_ < 0 || static_cast<unsigned>(stream_) >= (*opened)->format().nb_streams
      || (*opened)->stream(stream_).codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
    return fail(errc::invalid_request, "the plan's audio stream is not in the source");
  demuxer_ = std::move(*opened);
  demuxer_->select(std::array{stream_});
  return {};
}

result<codec_context> audio_reader::open_decoder() {
  const auto& parameters = *demuxer_->stream(stream_).codecpar;
  const auto* codec = avcodec_find_decoder(parameters.codec_id);
  codec_context context(avcodec_alloc_context3(codec));
  if (!codec || !context)
    return fail(errc::unsupported_media, "there is no decoder for the audio");
  dictionary options;
  if (parameters.codec_id == AV_CODEC_ID_AC3 || parameters.codec_id == AV_CODEC_ID_EAC3)
    options.set("cons_noisegen", "1"); // its noise follows from the packet, not from how many came before
  int code = avcodec_parameters_to_context(context.get(), &parameters);
  if (code >= 0) {
    context->pkt_timebase = {1, std::max(parameters.sample_rate, 1)};
    context->thread_count = 1;
    context->flags |= AV_CODEC_FLAG_BITEXACT;
    const portable_math portable;
    code = avcodec_open2(context.get(), codec, options.out());
  }
  if (code < 0)
    return tl::unexpected(av_error(errc::unsupported_media, code, "opening the audio's decoder"));
  return context;
}

result<bool> audio_reader::next(AVPacket& packet, const interrupt& stop) {
  if (stop.raised())
    return tl::unexpected(stop.why());
  return demuxer_->read(packet);
}

/// Reads on to the packet at `position`, or to an anchor before it, and sets the clock for it.
result<bool> audio_reader::go_to(std::int64_t position, audio_clock& clock, AVPacket& packet, const interrupt& stop) {
  const auto& anchors = plan_.audio_anchors;
  const auto& anchor = anchor_before(anchors, position);
  if (anchor.grid < 0)
    return false; // where the audio has ended, looking for it would mean to read the rest of the file
  if (anchor.byte >= 0) {
    if (auto done = demuxer_->seek_byte(anchor.byte); !done)
      return tl::unexpected(done.error());
    clock.restart(anchor.position);
    return next(packet, stop);
  }

  const bool on_grid = anchor.grid > 0 && position > anchor.position;
  const auto wanted = on_grid ? clock.pts_after(anchor.pts, position - anchor.position) : anchor.pts;
  const auto time_base = demuxer_->stream(stream_).time_base;
  for (auto back = first_step_back;; back *= 4) {
    const auto target = wanted - av_rescale_q(back, microseconds, time_base);
    if (auto done = seek_before(target); !done)
      return tl::unexpected(done.error());
    auto more = next(packet, stop);
    while (more && *more && packet.pts == no_pts)
      more = next(packet, stop);
    // A packet that was asked for may be lost unless an earlier one was seen too.
    if (more && target > anchors.front().pts && (!*more || packet.pts >= wanted))
      continue;
    while (more && *more && (packet.pts == no_pts || packet.pts < wanted))
      more = next(packet, stop);
    if (more && *more)
      clock.restart(count_from_anchor(clock, packet.pts));
    return more;
  }
}

result<void> audio_reader::seek_before(std::int64_t pts) {
  const auto& format = demuxer_->format_name();
  // Sound before the first picture is not found by that.
  const bool by_video =
      plan_.source.video && pts > plan_.audio_anchors.front().pts
      && std::find(indexed_by_video.begin(), indexed_by_video.end(), format) != indexed_by_video.end();
  if (!by_video)
    return demuxer_->seek(stream_, pts);
  const int video = plan_.source.video->index;
  return demuxer_->seek(video, av_rescale_q_rnd(pts, demuxer_->stream(stream_).time_base,
                                                demuxer_->stream(video).time_base, AV_ROUND_DOWN));
}

/// The position of the packet at `pts`, as it is counted from the anchor before it.
std::int64_t audio_reader::count_from_anchor(const audio_clock& clock, std::int64_t pts) const {
  const auto& anchors = plan_.audio_anchors;
  const auto after = std::upper_bound(anchors.begin(), anchors.end(), pts,
                                      [](std::int64_t at, const audio_anchor& anchor) { return at < anchor.pts; });
  const auto& anchor = after == anchors.begin() ? anchors.front() : *std::prev(after);
  const auto distance = clock.rough_position(pts) - clock.rough_position(anchor.pts);
  if (anchor.grid <= 1)
    return anchor.position + distance;
  const auto steps = std::llround(static_cast<double>(distance) / anchor.grid);
  return anchor.position + steps * anchor.grid;
}

} // namespace vp::media
