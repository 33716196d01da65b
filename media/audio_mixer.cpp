#include "media/audio_mixer.hpp"

#include "media/portable_math.hpp"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace vp::media {

namespace {

constexpr int silence_block = 4096;

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
  const auto rest = value % unit;
  return value - (rest < 0 ? rest + unit : rest);
}

error mixing(int code) {
  return av_error(errc::unsupported_media, code, "mixing the audio's channels");
}

/// For frames like this one with their channels in these places.
result<swr_context> open_resampler(const AVFrame& like, AVChannelLayout places) {
  AVChannelLayout both = AV_CHANNEL_LAYOUT_STEREO;
  SwrContext* raw = nullptr;
  int code = swr_alloc_set_opts2(&raw, &both, AV_SAMPLE_FMT_FLTP, audio_sample_rate, &places,
                                 static_cast<AVSampleFormat>(like.format), like.sample_rate, 0, nullptr);
  swr_context resampler(raw);
  // FFmpeg has no weights for a single channel that go to both sides in full, nor for channels of unknown places: of
  // those the first two are taken.
  const auto count = static_cast<std::size_t>(places.nb_channels);
  std::vector<double> weights;
  if (count == 1 || places.order == AV_CHANNEL_ORDER_UNSPEC) {
    weights.resize(2 * count);
    weights[0] = 1;                           // channel 0 in the left
    weights[count + (count > 1 ? 1 : 0)] = 1; // channel 1, if there is one, in the right
  }
  if (code < 0)
    return tl::unexpected(mixing(code));
  av_opt_set_sample_fmt(raw, "internal_sample_fmt", AV_SAMPLE_FMT_FLTP, 0);
  av_opt_set_int(raw, "exact_rational", 1, 0);
  av_opt_set_double(raw, "rematrix_maxval", 1.0, 0);
  if (!weights.empty())
    swr_set_matrix(raw, weights.data(), static_cast<int>(weights.size() / 2));
  {
    const portable_math portable;
    code = swr_init(raw);
  }
  if (code < 0)
    return tl::unexpected(mixing(code));
  return resampler;
}

} // namespace

audio_mixer::audio_mixer(std::int64_t from, std::int64_t to)
    : from_(from), to_(to), next_out_(from), valid_from_(from) {
  for (auto& channel : out_)
    channel.assign(static_cast<std::size_t>(to - from), 0.0F);
}

bool audio_mixer::fits(const AVFrame& frame) const {
  return silence_ && frame.sample_rate == silence_->sample_rate && frame.format == silence_->format
         && av_channel_layout_compare(&frame.ch_layout, &silence_->ch_layout) == 0;
}

result<void> audio_mixer::add(const AVFrame& frame, std::int64_t position) {
  if (!fits(frame)) {
    if (auto done = drain(); !done)
      return done;
    if (auto done = begin(frame, position); !done)
      return done;
  } else if (std::abs(position - next_in_) <= std::max(2, frame.nb_samples / 4)) {
    position = next_in_; // a position from another rate or a coarse clock is rounded
  }
  if (position > next_in_)
    if (auto done = skip_to(position); !done)
      return done;
  const auto overlap = static_cast<int>(std::min<std::int64_t>(next_in_ - position, frame.nb_samples));
  if (overlap == frame.nb_samples || full())
    return {};

  const auto format = static_cast<AVSampleFormat>(frame.format);
  const bool planar = av_sample_fmt_is_planar(format) != 0;
  const int stride = av_get_bytes_per_sample(format) * (planar ? 1 : frame.ch_layout.nb_channels);
  std::vector<const std::uint8_t*> planes(planar ? static_cast<std::size_t>(frame.ch_layout.nb_channels) : 1);
  for (std::size_t i = 0; i < planes.size(); ++i)
    planes[i] = frame.extended_data[i] + static_cast<std::ptrdiff_t>(overlap) * stride;
  return convert(planes.data(), frame.nb_samples - overlap);
}

result<void> audio_mixer::begin(const AVFrame& frame, std::int64_t position) {
  if (!is_audio_rate(frame.sample_rate))
    return fail(errc::unsupported_media, fmt::format("the audio has {} samples a second", frame.sample_rate));
  const int count = frame.ch_layout.nb_channels;
  AVChannelLayout usual{};
  av_channel_layout_default(&usual, count);
  auto resampler = open_resampler(frame, frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC ? usual : frame.ch_layout);
  if (!resampler) // FFmpeg has no weights for these places
    resampler = open_resampler(frame, {AV_CHANNEL_ORDER_UNSPEC, count, {0}, nullptr});
  if (!resampler)
    return tl::unexpected(resampler.error());
  resampler_ = std::move(*resampler);

  silence_ = make_frame();
  silence_->format = frame.format;
  silence_->sample_rate = frame.sample_rate;
  silence_->nb_samples = silence_block;
  int code = av_channel_layout_copy(&silence_->ch_layout, &frame.ch_layout);
  if (code >= 0)
    code = av_frame_get_buffer(silence_.get(), 0);
  if (code < 0)
    return tl::unexpected(mixing(code));
  av_samples_set_silence(silence_->extended_data, 0, silence_block, frame.ch_layout.nb_channels,
                         static_cast<AVSampleFormat>(frame.format));

  // Every `unit` input samples an input and an output sample coincide.
  const auto common = std::gcd(frame.sample_rate, audio_sample_rate);
  const std::int64_t unit = frame.sample_rate / common;
  next_in_ = floor_to(position, unit);
  next_out_ = next_in_ / unit * (audio_sample_rate / common);
  valid_from_ = std::max(valid_from_, av_rescale(position, audio_sample_rate, frame.sample_rate));
  return {};
}

/// Feeds silence; no more than is seen.
result<void> audio_mixer::skip_to(std::int64_t position) {
  while (next_in_ < position && !full()) {
    const auto samples = static_cast<int>(std::min<std::int64_t>(silence_block, position - next_in_));
    if (auto done = convert(const_cast<const std::uint8_t**>(silence_->extended_data), samples); !done)
      return done;
  }
  next_in_ = std::max(next_in_, position);
  return {};
}

/// Without input: takes out what the resampler still holds.
result<void> audio_mixer::convert(const std::uint8_t** planes, int samples) {
  const int room = swr_get_out_samples(resampler_.get(), samples);
  if (room < 0)
    return tl::unexpected(mixing(room));
  std::uint8_t* planes_out[2];
  for (std::size_t channel = 0; channel < 2; ++channel) {
    block_[channel].resize(static_cast<std::size_t>(room));
    planes_out[channel] = reinterpret_cast<std::uint8_t*>(block_[channel].data());
  }
  const int got = swr_convert(resampler_.get(), planes_out, room, planes, samples);
  if (got < 0)
    return tl::unexpected(mixing(got));
  const auto first = std::max(next_out_, valid_from_);
  const auto last = std::min(next_out_ + got, to_);
  for (std::size_t channel = 0; channel < 2 && first < last; ++channel)
    std::copy_n(block_[channel].begin() + (first - next_out_), last - first, out_[channel].begin() + (first - from_));
  next_out_ += got;
  next_in_ += samples;
  return {};
}

result<void> audio_mixer::drain() {
  if (!resampler_ || full())
    return {};
  return convert(nullptr, 0);
}

result<stereo> audio_mixer::finish() && {
  if (auto done = drain(); !done)
    return tl::unexpected(done.error());
  return std::move(out_);
}

} // namespace vp::media
