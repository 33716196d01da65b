#include "media/audio_encoder.hpp"

#include "media/portable_math.hpp"

#include <algorithm>

namespace vp::media {

namespace {

constexpr std::int64_t frames_before = 4;
constexpr std::int64_t frames_after = 2;

result<codec_context> open_encoder() {
  const auto* codec = avcodec_find_encoder_by_name("aac");
  codec_context context(avcodec_alloc_context3(codec));
  if (!codec || !context)
    return fail(errc::encoder_failed, "FFmpeg has no AAC encoder");
  const AVChannelLayout both = AV_CHANNEL_LAYOUT_STEREO;
  context->sample_fmt = AV_SAMPLE_FMT_FLTP;
  context->sample_rate = audio_sample_rate;
  context->bit_rate = audio_bitrate;
  context->time_base = audio_time_base;
  context->profile = FF_PROFILE_AAC_LOW;
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  int code = av_channel_layout_copy(&context->ch_layout, &both);
  if (code >= 0) {
    const portable_math portable;
    code = avcodec_open2(context.get(), codec, nullptr);
  }
  if (code < 0)
    return tl::unexpected(av_error(errc::encoder_failed, code, "opening the AAC encoder"));
  return context;
}

error failed(int code) {
  return av_error(errc::encoder_failed, code, "encoding audio");
}

} // namespace

result<codec_parameters> audio_parameters() {
  auto context = open_encoder();
  if (!context)
    return tl::unexpected(context.error());
  codec_parameters parameters(avcodec_parameters_alloc());
  if (const int code = avcodec_parameters_from_context(parameters.get(), context->get()); code < 0)
    return tl::unexpected(failed(code));
  parameters->initial_padding = 0; // the packet of it is never kept
  return parameters;
}

result<std::vector<sample>> encode_aac(const stereo& samples, std::int64_t first, std::int64_t from, std::int64_t to) {
  auto context = open_encoder();
  if (!context)
    return tl::unexpected(context.error());

  std::vector<sample> out;
  out.reserve(static_cast<std::size_t>(to - from));
  const auto packet = make_packet();
  const auto take_packets = [&] {
    while (avcodec_receive_packet(context->get(), packet.get()) >= 0) {
      // The encoder counts from its first sample and is one frame behind: its first packet, before zero, only primes.
      const auto time = first * audio_frame_size + packet->pts;
      if (time >= from * audio_frame_size && time < to * audio_frame_size)
        out.push_back({{packet->data, packet->data + packet->size}, time, time, audio_frame_size, true});
      av_packet_unref(packet.get());
    }
  };

  const auto frame = make_frame();
  const auto count = static_cast<std::int64_t>(samples[0].size()) / audio_frame_size;
  for (std::int64_t i = 0; i < count; ++i) {
    frame->format = AV_SAMPLE_FMT_FLTP;
    frame->sample_rate = audio_sample_rate;
    frame->nb_samples = audio_frame_size;
    frame->pts = i * audio_frame_size;
    int code = av_channel_layout_copy(&frame->ch_layout, &context->get()->ch_layout);
    if (code >= 0)
      code = av_frame_get_buffer(frame.get(), 0);
    if (code < 0)
      return tl::unexpected(failed(code));
    for (std::size_t channel = 0; channel < samples.size(); ++channel)
      std::copy_n(samples[channel].begin() + i * audio_frame_size, audio_frame_size,
                  reinterpret_cast<float*>(frame->extended_data[channel]));
    code = avcodec_send_frame(context->get(), frame.get());
    av_frame_unref(frame.get());
    if (code < 0)
      return tl::unexpected(failed(code));
    take_packets();
  }
  if (const int code = avcodec_send_frame(context->get(), nullptr); code < 0)
    return tl::unexpected(failed(code));
  take_packets();
  if (static_cast<std::int64_t>(out.size()) != to - from)
    return fail(errc::encoder_failed, "the AAC encoder left packets out");
  return out;
}

result<std::unique_ptr<audio_encoder>> audio_encoder::open(byte_source& source, const plan& plan) {
  const auto rendition = std::find_if(plan.renditions.begin(), plan.renditions.end(),
                                      [](const auto& r) { return r.kind == media_kind::audio; });
  if (!plan.source.audio || rendition == plan.renditions.end())
    return fail(errc::invalid_request, "the plan has no audio");
  return std::unique_ptr<audio_encoder>(new audio_encoder(source, plan, rendition->id));
}

result<fragment> audio_encoder::encode(const segment& cell, const interrupt& stop) {
  if (cell.audio_start < 0 || cell.audio_start >= cell.audio_end)
    return fail(errc::invalid_request, "the segment has no audio");
  const auto first = std::max<std::int64_t>(0, cell.audio_start - frames_before);
  const auto last = cell.audio_end + frames_after;
  auto samples = reader_.read(first * audio_frame_size, last * audio_frame_size, stop);
  if (!samples)
    return tl::unexpected(samples.error());
  auto packets = encode_aac(*samples, first, cell.audio_start, cell.audio_end);
  if (!packets)
    return tl::unexpected(packets.error());

  fragment out;
  out.rendition = rendition_;
  out.segment = cell.number;
  out.start = cell.audio_start * audio_frame_size;
  out.duration = (cell.audio_end - cell.audio_start) * audio_frame_size;
  out.frames = static_cast<std::uint32_t>(packets->size());
  out.bytes = write_fragment(*packets, cell.number + 1);
  return out;
}

} // namespace vp::media
