#include "media/audio_clock.hpp"

#include <algorithm>
#include <array>

namespace vp::media {

namespace {

/// PCM, and with ADPCM: a demuxer makes packets of them as it likes, depending on where it is sent.
bool is_pcm(AVCodecID id) {
  return id >= AV_CODEC_ID_FIRST_AUDIO && id < AV_CODEC_ID_ADPCM_IMA_QT;
}
/// Whose packets vary in length.
bool varies(AVCodecID id) {
  return id == AV_CODEC_ID_VORBIS || id == AV_CODEC_ID_OPUS || id == AV_CODEC_ID_FLAC;
}
bool divisible(AVCodecID id) {
  return id >= AV_CODEC_ID_FIRST_AUDIO && id < AV_CODEC_ID_AMR_NB;
}

/// Files of packets without timestamps, where demuxers seek by guessing. PCM is the exception: there is nothing to
/// guess.
bool is_bare(std::string_view format, AVCodecID id) {
  constexpr std::array<std::string_view, 4> packets{"mp3", "aac", "ac3", "eac3"};
  constexpr std::array<std::string_view, 3> headed{"wav", "w64", "aiff"};
  const auto is = [&](const auto& list) { return std::find(list.begin(), list.end(), format) != list.end(); };
  return is(packets) || (is(headed) && !is_pcm(id));
}

/// The samples at `rate` that last as long as an AAC packet with a header (ISO/IEC 14496-3 1.A.3), which tells its own
/// rate; 0 for one without.
std::int64_t adts_samples(const AVPacket& packet, int rate) {
  constexpr std::array<int, 13> rates{96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                      22050, 16000, 12000, 11025, 8000,  7350};
  if (!packet.data || packet.size < 7 || packet.data[0] != 0xff || (packet.data[1] & 0xf6) != 0xf0)
    return 0;
  const std::size_t index = packet.data[2] >> 2 & 15;
  const int blocks = (packet.data[6] & 3) + 1;
  return index < rates.size() ? av_rescale(1024 * blocks, rate, rates[index]) : 0;
}

constexpr std::size_t most_shortcuts = 256;
constexpr std::size_t most_anchors = 4096; ///< of a broken source; what comes after is placed by its timestamps alone

} // namespace

// -- durations that only the codec's own headers tell ---------------------------------------------------------------

struct audio_clock::parser {
  explicit parser(const AVCodecParameters& parameters)
      : handle(av_parser_init(parameters.codec_id)), context(avcodec_alloc_context3(nullptr)) {
    avcodec_parameters_to_context(context.get(), &parameters);
    if (handle)
      handle->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  }

  std::int64_t duration(const AVPacket& packet) {
    if (!handle || !packet.data)
      return 0;
    std::uint8_t* out = nullptr;
    int size = 0;
    av_parser_parse2(handle.get(), context.get(), &out, &size, packet.data, packet.size, no_pts, no_pts, -1);
    return handle->duration;
  }

  struct closer {
    void operator()(AVCodecParserContext* p) const noexcept { av_parser_close(p); }
  };
  std::unique_ptr<AVCodecParserContext, closer> handle;
  codec_context context;
};

// -- audio_clock ----------------------------------------------------------------------------------------------------

audio_clock::audio_clock(const AVStream& stream, std::string_view format, std::int64_t start_time)
    : parameters_(*stream.codecpar), time_base_(stream.time_base), sample_{1, std::max(parameters_.sample_rate, 1)},
      zero_(av_rescale_q(start_time, microseconds, sample_)),
      tick_(std::max<std::int64_t>(1, av_rescale_q_rnd(1, time_base_, sample_, AV_ROUND_UP))),
      bare_(is_bare(format, parameters_.codec_id)) {
  const auto whole = static_cast<std::int64_t>(time_base_.num) * sample_.den;
  exact_ = whole % time_base_.den == 0 || time_base_.den % whole == 0;
  timed_ = exact_ && format == "mov"; // ISO/IEC 14496-12 section 8.6.1.2
}

audio_clock::~audio_clock() = default;

bool audio_clock::counts_by_container() const noexcept {
  return parameters_.codec_id != AV_CODEC_ID_EAC3 && (timed_ || !varies(parameters_.codec_id));
}

std::int64_t audio_clock::rough_position(std::int64_t pts) const {
  return av_rescale_q(pts, time_base_, sample_) - zero_;
}

std::int64_t audio_clock::pts_after(std::int64_t pts, std::int64_t samples) const {
  return pts + av_rescale_q_rnd(samples, sample_, time_base_, AV_ROUND_DOWN);
}

void audio_clock::restart(std::int64_t position) {
  expected_ = position;
  started_ = forced_ = true;
  parser_.reset();
}

std::int64_t audio_clock::position(const AVPacket& packet) {
  restarted_ = false;
  if (!forced_ && packet.pts != no_pts && !(bare_ && started_)) {
    const auto claimed = rough_position(packet.pts);
    // The length of the packet before stands for that of this one, which is not known before the parser is asked.
    const auto tolerance = std::max(tick_ + 1, samples_ / 4);
    if (!started_ || guessed_ || std::abs(claimed - expected_) > tolerance) {
      expected_ = claimed;
      restarted_ = started_ && !guessed_;
      parser_.reset(); // as it is for whoever begins here
    }
  }
  started_ = true;
  forced_ = false;
  const auto position = expected_;
  samples_ = count(packet);
  expected_ += samples_;
  return position;
}

std::int64_t audio_clock::count(const AVPacket& packet) {
  const auto id = parameters_.codec_id;
  if (varies(id) && timed_ && packet.duration > 0)
    return av_rescale_q(packet.duration, time_base_, sample_);
  if (varies(id)) {
    if (!parser_)
      parser_ = std::make_unique<parser>(parameters_);
    if (const auto samples = parser_->duration(packet); samples > 0)
      return samples;
  }
  if (id == AV_CODEC_ID_AAC)
    if (const auto samples = adts_samples(packet, sample_.den); samples > 0)
      return samples;
  guessed_ = id == AV_CODEC_ID_WMAV1 || id == AV_CODEC_ID_WMAV2; // by libavformat, from the bit rate
  if (const int samples = av_get_audio_frame_duration2(&parameters_, packet.size); samples > 0)
    return samples;
  guessed_ = guessed_ || !exact_;
  return std::max<std::int64_t>(0, av_rescale_q(packet.duration, time_base_, sample_));
}

// -- anchor_finder --------------------------------------------------------------------------------------------------

anchor_finder::anchor_finder(const AVStream& stream, std::string_view format)
    : stream_(stream), format_(format), clock_(stream, format_, 0),
      spacing_(2 * static_cast<std::int64_t>(stream.codecpar->sample_rate)) {}

void anchor_finder::add(const AVPacket& packet) {
  const auto expected = clock_.samples();
  const auto position = clock_.position(packet);
  const auto samples = clock_.samples();

  if (packet.pts != no_pts && position + samples > end_) {
    end_ = position + samples;
    end_pts_ = clock_.pts_after(packet.pts, samples) + 1;
  }
  if (found_.empty() || clock_.restarted()) {
    const auto codec = stream_.codecpar->codec_id;
    varies_ = clock_.bare() || clock_.guesses() || divisible(codec) || codec == AV_CODEC_ID_VORBIS;
    push(packet, position, samples, true);
  } else if (!varies_ && expected != found_.back().anchor.grid) {
    varies_ = true; // the packet before was shorter or longer, so this one is off the grid
    push(packet, position, samples, true);
  } else if (varies_ && (clock_.bare() || !clock_.exact()) && position - found_.back().anchor.position >= spacing_
             && packet.pts != last_pts_ && counts_afresh(packet)) {
    push(packet, position, samples, false);
  }
  last_pts_ = packet.pts;
}

void anchor_finder::push(const AVPacket& packet, std::int64_t position, std::int64_t grid, bool needed) {
  if (packet.pts == no_pts || found_.size() >= most_anchors
      || (!found_.empty()
          && position <= found_.back().anchor.position)) // time that runs backwards is dropped as overlap
    return;
  audio_anchor anchor{packet.pts, position, clock_.bare() ? packet.pos : -1, 0};
  if (!varies_)
    anchor.grid = static_cast<std::int32_t>(grid);
  else if (clock_.exact() && !clock_.bare())
    anchor.grid = 1;
  found_.push_back({anchor, needed});
  thin_out();
}

/// Whether who begins with this packet finds as many samples in it: a Vorbis packet's length depends on the one before.
bool anchor_finder::counts_afresh(const AVPacket& packet) const {
  audio_clock fresh(stream_, format_, 0);
  fresh.restart(0);
  fresh.position(packet);
  return fresh.samples() == clock_.samples();
}

void anchor_finder::thin_out() {
  const auto shortcuts = std::count_if(found_.begin(), found_.end(), [](const found& f) { return !f.needed; });
  if (static_cast<std::size_t>(shortcuts) <= most_shortcuts)
    return;
  bool keep = false;
  std::erase_if(found_, [&](const found& f) { return !f.needed && !(keep = !keep); });
  spacing_ *= 2;
}

std::vector<audio_anchor> anchor_finder::anchors(std::int64_t start_time) const {
  const auto zero = audio_clock(stream_, format_, start_time).zero();
  std::vector<audio_anchor> out;
  out.reserve(found_.size() + 1);
  for (const auto& f : found_)
    out.push_back(f.anchor);
  if (!out.empty())
    out.push_back({end_pts_, end_, -1, -1});
  for (auto& anchor : out)
    anchor.position -= zero;
  return out;
}

const audio_anchor& anchor_before(std::span<const audio_anchor> anchors, std::int64_t position) {
  const auto after = std::upper_bound(anchors.begin(), anchors.end(), position,
                                      [](std::int64_t at, const audio_anchor& anchor) { return at < anchor.position; });
  return after == anchors.begin() ? anchors.front() : *std::prev(after);
}

} // namespace vp::media
