#include "media/scan.hpp"

#include "media/audio_clock.hpp"
#include "media/audio_mixer.hpp"
#include "media/container.hpp"
#include "media/copy_check.hpp"
#include "media/fingerprint.hpp"
#include "media/grid.hpp"
#include "media/growing.hpp"
#include "media/h264_parameters.hpp"
#include "media/packets.hpp"
#include "media/probe.hpp"
#include "media/sample_bytes.hpp"
#include "media/sample_times.hpp"
#include "media/timeline.hpp"
#include "media/video_decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <string_view>

namespace vp::media {

namespace {

/// Packets to decode until there is a picture.
constexpr std::size_t most_packets_without_picture = 1500;

/// Rates that a counted one may stand for; the container's own come first.
constexpr rational usual_rates[] = {{24000, 1001}, {24, 1}, {25, 1},       {30000, 1001},
                                    {30, 1},       {50, 1}, {60000, 1001}, {60, 1}};
constexpr double rate_tolerance = 0.0004; // 24 and 23.976 are 0.001 apart
constexpr double highest_rate = 240;
constexpr std::uint64_t largest_copied = std::uint64_t{32} << 20U; // of a segment, which is held in memory
constexpr double lowest_rate = 0.01;

/// Packets that tell one source from another: those that are there when one begins to grow.
constexpr std::size_t most_identified = 64;

/// Before so much has come FFmpeg may still change its mind about the streams: it reads 7 s at most, and no more bytes
/// of packets than `probe_bytes`.
constexpr int seconds_to_be_sure = 8;

/// Behind a segment, so that it is encoded as if all the rest were there: what decoders and filters look ahead.
constexpr int seconds_of_video_ahead = 2;
constexpr std::int64_t audio_ahead = audio_sample_rate / 2;

class scanner {
public:
  scanner(demuxer& from, byte_source& source, source_info info, const sample_times& index, demuxer* times, bool copy)
      : from_(from), source_(source), index_(index), times_(times), copy_(copy) {
    made_.source = std::move(info);
    identity_.add(index.digest); // Packets tell little: only the first ones are looked at.
  }

  result<scan_result> run(arrival how) {
    how_ = how;
    if (auto done = begin(); !done)
      return tl::unexpected(done.error());
    if (how == arrival::arriving && !index_may_tell())
      return fail(errc::incomplete, "this file can be planned only when all of it is there");
    for (const auto& stream :
         {made_.source.video ? made_.source.video->index : -1, made_.source.audio ? made_.source.audio->index : -1})
      if (stream >= 0)
        identity_.add(from_.stream(stream));
    auto packet = make_packet();
    while (!(planner_ && index_tells())) {
      if (planner_ && how == arrival::arriving)
        return fail(errc::incomplete, "this video can be planned only when all of it is there");
      const auto more = from_.read(*packet);
      if (!more)
        return tl::unexpected(more.error());
      if (!*more)
        return finish();
      if (identified_++ < most_identified)
        identity_.add(*packet);
      if (made_.source.video && packet->stream_index == made_.source.video->index) {
        if (auto done = on_video(*packet); !done)
          return tl::unexpected(done.error());
      } else {
        on_audio(*packet);
      }
    }
    if (auto done = read_times(); !done)
      return tl::unexpected(done.error());
    return finish();
  }

private:
  struct frame_time {
    std::int64_t pts;
    std::int64_t dts;
    std::int64_t duration;
    bool key = false;
  };

  result<void> begin() {
    auto& info = made_.source;
    if (info.audio && info.audio->channels <= 0) {
      info.warnings.emplace_back("the audio track is damaged and left out");
      info.audio.reset();
    } else if (info.audio && !is_audio_rate(info.audio->sample_rate)) {
      info.warnings.push_back(
          fmt::format("the audio track is left out: it claims {} samples a second", info.audio->sample_rate));
      info.audio.reset();
    }
    if (info.audio)
      streams_.push_back(info.audio->index);
    if (!info.video) {
      if (!info.audio)
        return fail(errc::broken_media, "the file has neither video nor audio that can be read");
      made_.ticks = {audio_sample_rate, 1};
      from_.select(streams_);
      start_planning();
      return {};
    }
    streams_.push_back(info.video->index);
    from_.select(streams_);
    auto& stream = from_.stream(info.video->index);
    const auto ticks = choose_ticks(info.video->time_base);
    if (!ticks)
      return tl::unexpected(ticks.error());
    made_.ticks = *ticks;
    made_.colour = output_colour(*stream.codecpar);
    inspector_.emplace(*stream.codecpar);
    auto decoder = video_decoder::open(from_, info.video->index);
    if (!decoder)
      return tl::unexpected(decoder.error());
    decoder_ = std::move(*decoder);
    return {};
  }

  /// Whether the times of samples say all, as far as their codecs go: each one of the video is a picture that is shown,
  /// and of the audio it is known how long they are.
  bool index_may_tell() const {
    if (!times_)
      return false;
    const auto& [video, audio] = std::pair{made_.source.video, made_.source.audio};
    if (audio && !audio_clock(from_.stream(audio->index), from_.format_name(), 0).counts_by_container())
      return false;
    if (!video)
      return true;
    const auto& parameters = *from_.stream(video->index).codecpar;
    return parameters.codec_id != AV_CODEC_ID_VP8
           && (parameters.codec_id != AV_CODEC_ID_H264 || has_whole_frames_only(parameters));
  }

  bool index_tells() const { return index_may_tell() && !(made_.source.video && made_.source.video->interlaced); }

  /// Plans anew, all of it by the index.
  result<void> read_times() {
    by_index_ = true;
    start_planning();
    anchors_.reset();
    audio_end_ = 0;
    has_audio_ = false;
    if (copy_ && made_.source.video) {
      copying_.emplace(from_.stream(made_.source.video->index), *made_.source.video, first_);
      keyed_planner_.emplace(tracks(true));
    }
    auto streams = streams_;
    if (sound_is_in_order()) {
      std::erase(streams, made_.source.audio->index);
      if (auto done = read_sound_times(); !done)
        return done;
    }
    times_->select(streams);
    auto packet = make_packet();
    for (;;) {
      const auto more = streams.empty() ? false : times_->read(*packet);
      if (!more)
        return tl::unexpected(more.error());
      if (!*more)
        return {};
      const auto is_video = made_.source.video && packet->stream_index == made_.source.video->index;
      if (packet->pts != no_pts && packet->dts != no_pts)
        (is_video ? pictures_ : sound_).add(packet->pts, packet->dts);
      if (is_video && copying_)
        check_copying(*packet);
      if (!is_video)
        on_audio(*packet);
      else if (packet->pts != no_pts && !(packet->flags & AV_PKT_FLAG_DISCARD))
        add({packet->pts, packet->dts, packet->duration, (packet->flags & AV_PKT_FLAG_KEY) != 0});
    }
  }

  /// Where there are other streams than tracks (a cover picture), it is not known which is which.
  bool sound_is_in_order() const {
    const auto& audio = made_.source.audio;
    return audio && index_.in_order.size() == from_.format().nb_streams
           && index_.in_order[static_cast<std::size_t>(audio->index)];
  }

  result<void> read_sound_times() {
    return from_.read_index(made_.source.audio->index, [this](const AVPacket& sample) {
      sound_.add(sample.pts, sample.dts);
      on_audio(sample);
    });
  }

  void check_copying(const AVPacket& sample) {
    copying_->add(sample);
    if (copying_->possible())
      return;
    copying_.reset(); // so there is nothing more to plan for it
    keyed_planner_.reset();
  }

  grid_planner::tracks tracks(bool at_keyframes) const {
    return {made_.ticks.timescale, made_.source.video.has_value(), made_.source.audio.has_value(), at_keyframes};
  }

  /// Time zero is known from here on.
  void start_planning() {
    const auto& info = made_.source;
    plan for_time;
    for_time.source.start_time = info.start_time;
    for_time.timescale = made_.ticks.timescale;
    for_time.tick_scale = made_.ticks.tick_scale;
    time_.emplace(for_time);
    planner_.emplace(tracks(false));
    for (const auto& frame : held_)
      add(frame);
    held_.clear();
  }

  result<void> on_video(const AVPacket& packet) {
    if (inspector_->brings_picture(packet) && packet.pts != no_pts) {
      const frame_time frame{packet.pts, packet.dts, packet.duration};
      if (planner_)
        add(frame);
      else
        held_.push_back(frame);
    }
    if (planner_)
      return {};
    if (++packets_without_picture_ > most_packets_without_picture)
      return fail(errc::broken_media, "no picture of the video could be decoded");
    decoder_->send(&packet);
    look_for_first();
    return {};
  }

  void on_audio(const AVPacket& packet) {
    if (packet.pts == no_pts)
      return;
    const auto& stream = from_.stream(packet.stream_index);
    if (!anchors_)
      anchors_.emplace(stream, from_.format_name());
    anchors_->add(packet);
    const auto end = av_rescale_q(packet.pts + packet.duration, stream.time_base, audio_time_base);
    audio_end_ = std::max(audio_end_, end);
    has_audio_ = true;
    if (planner_)
      plan_audio();
  }

  void plan_audio() {
    const auto end = audio_end_ - av_rescale_q(made_.source.start_time, microseconds, audio_time_base);
    planner_->add_audio(end);
    if (keyed_planner_)
      keyed_planner_->add_audio(end);
  }

  void look_for_first() {
    const auto frame = decoder_->receive();
    if (!frame)
      return;
    auto& info = made_.source;
    refine(*info.video, *frame);
    first_ = frame->pts;
    const auto shown = av_rescale_q(first_, to_av(info.video->time_base), microseconds);
    // With nothing to stay in step with, the video begins at once.
    info.start_time = info.audio ? std::min(info.start_time, shown) : shown;
    start_planning();
    decoder_.reset();
  }

  void add(const frame_time& frame) {
    if (frame.pts < first_)
      return;
    const auto rate = made_.source.video->frame_rate.value();
    const auto usual = std::max<std::int64_t>(1, std::llround(made_.ticks.timescale / (rate > 0 ? rate : 25)));
    const auto decoding_time = frame.dts != no_pts ? std::optional(time_->ticks(frame.dts)) : std::nullopt;
    const auto shown = time_->ticks(frame.pts);
    const auto duration = frame.duration > 0 ? time_->length(frame.duration) : usual;
    planner_->add_frame(shown, decoding_time, duration);
    if (keyed_planner_)
      keyed_planner_->add_frame(shown, decoding_time, duration, frame.key);
    last_ = std::max(last_, frame.pts);
  }

  result<scan_result> finish() {
    auto& info = made_.source;
    if (how_ == arrival::growing && (!planner_ || (info.audio && !has_audio_) || identified_ < most_identified))
      return fail(errc::incomplete, not_enough);
    if (info.video && !planner_) {
      decoder_->send(nullptr);
      look_for_first();
      if (!planner_)
        return fail(errc::broken_media, "no picture of the video could be decoded");
    }
    if (how_ != arrival::growing && (from_.damaged() || (!by_index_ && is_cut_off(source_, from_.format_name()))))
      info.warnings.emplace_back("the file is cut off or damaged; what could be read of it is played");
    if (info.audio)
      on_audio_known();
    if (!info.video && !has_audio_)
      return fail(errc::broken_media, "the file has neither video nor audio that can be read");
    if (planner_->dropped() > 0)
      info.warnings.push_back(
          fmt::format("{} pictures are left out, since the file's clock jumps back", planner_->dropped()));
    made_.identity = identity_.hex();
    pictures_known_ = by_index_ && info.video && pictures_.locate(from_.stream(info.video->index));
    sound_known_ = by_index_ && info.audio && sound_.locate(from_.stream(info.audio->index));
    if (how_ == arrival::growing) {
      made_.segments = certain_segments();
      if (made_.segments.empty())
        return fail(errc::incomplete, not_enough);
    } else if (!plan_copy()) {
      planner_->finish();
      made_.segments = planner_->take();
    }
    locate_bytes();
    if (made_.segments.empty())
      return fail(errc::broken_media, "the file has no pictures and no sound");
    if (!info.audio)
      for (auto& cell : made_.segments)
        cell.audio_start = cell.audio_end = 0;
    if (info.video) {
      made_.video_end = planner_->video_end();
      made_.widest_step = planner_->widest_step();
      info.video->frame_rate = frame_rate();
    }
    info.duration = std::max(static_cast<double>(planner_->video_end()) / made_.ticks.timescale,
                             static_cast<double>(planner_->audio_end()) / audio_sample_rate);
    return std::move(made_);
  }

  /// Of a source that grows: those which come out as if all of it were there.
  std::vector<segment> certain_segments() {
    const auto second = static_cast<std::int64_t>(made_.ticks.timescale);
    const auto seen = std::max(planner_->video_end(), av_rescale(planner_->audio_end(), second, audio_sample_rate));
    if (seen < seconds_to_be_sure * second && source_.size() < growing_surely)
      return {};
    auto cells = planner_->take();
    const auto is_certain = [&](const segment& cell) {
      return (!made_.source.video || cell.end + seconds_of_video_ahead * second <= planner_->video_end())
             && (!made_.source.audio || cell.audio_end * audio_frame_size + audio_ahead <= planner_->audio_end());
    };
    while (!cells.empty() && !is_certain(cells.back()))
      cells.pop_back();
    return cells;
  }

  /// What of the source each segment's encoding reads.
  void locate_bytes() {
    for (auto& cell : made_.segments) {
      if (cell.frames > 0)
        cell.video_bytes = pictures_known_ ? bytes_of_pictures(cell) : byte_range{0, source_.size()};
      if (cell.audio_end > cell.audio_start)
        cell.audio_bytes = sound_known_ ? bytes_of_sound(cell) : byte_range{0, source_.size()};
    }
  }

  bool can_copy() const {
    if (!copying_ || !copying_->passed() || !pictures_known_ || keyed_planner_->dropped() > 0
        || keyed_planner_->frames() != copying_->samples())
      return false;
    const auto seconds = static_cast<double>(keyed_planner_->video_end()) / made_.ticks.timescale;
    return static_cast<double>(pictures_.total()) * 8 <= copying_->highest_rate() * seconds;
  }

  /// By the source's own keyframes, where its pictures can be a rendition as they are.
  bool plan_copy() {
    if (!can_copy())
      return false;
    keyed_planner_->finish();
    auto cells = keyed_planner_->take();
    std::vector<std::int64_t> starts;
    for (const auto& cell : cells)
      if (cell.frames > 0)
        starts.push_back(time_->pts(cell.start));
    const auto sizes = pictures_.totals(starts);
    if (std::any_of(sizes.begin(), sizes.end(), [](auto size) { return size > largest_copied; }))
      return false;
    planner_ = std::move(keyed_planner_);
    made_.segments = std::move(cells);
    describe_copy(sizes);
    return true;
  }

  void describe_copy(const std::vector<std::uint64_t>& sizes) {
    double peak = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) { // those with pictures come first
      const auto& cell = made_.segments[i];
      peak = std::max(peak, static_cast<double>(sizes[i]) * 8 * made_.ticks.timescale
                                / static_cast<double>(std::max<std::int64_t>(1, cell.end - cell.start)));
    }
    made_.copied_rate = static_cast<int>(std::min(std::ceil(peak), 2e9));
    made_.copied.reset(avcodec_parameters_alloc());
    if (!made_.copied
        || avcodec_parameters_copy(made_.copied.get(), from_.stream(made_.source.video->index).codecpar) < 0)
      throw std::bad_alloc();
  }

  byte_range bytes_of_pictures(const segment& cell) const {
    const auto& base = made_.source.video->time_base;
    const auto half_second = base.den / (2 * std::max<std::int64_t>(1, base.num));
    return pictures_.of_pictures(time_->pts(cell.start), time_->pts(cell.end), half_second);
  }

  /// With what its decoder, and who looks for its place, go back and ahead.
  byte_range bytes_of_sound(const segment& cell) const {
    constexpr std::int64_t before = audio_sample_rate + 4 * audio_frame_size;
    constexpr std::int64_t behind = audio_sample_rate / 2 + 2 * audio_frame_size;
    const auto& stream = from_.stream(made_.source.audio->index);
    const auto pts = [&](std::int64_t samples) {
      return av_rescale_q(samples, audio_time_base, stream.time_base)
             + av_rescale_q(made_.source.start_time, microseconds, stream.time_base);
    };
    auto start = pts(cell.audio_start * audio_frame_size - before);
    if (!made_.audio_anchors.empty()) {
      const auto rate = stream.codecpar->sample_rate;
      const auto& anchor = anchor_before(
          made_.audio_anchors, av_rescale(cell.audio_start * audio_frame_size - before, rate, audio_sample_rate));
      if (anchor.grid == 0) // from there on samples are counted
        start = std::min(start, anchor.pts - av_rescale_q(500'000, microseconds, stream.time_base));
    }
    return sound_.of_sound(start, pts(cell.audio_end * audio_frame_size + behind));
  }

  void on_audio_known() {
    if (has_audio_) {
      plan_audio();
      made_.audio_anchors = anchors_->anchors(made_.source.start_time);
    } else {
      made_.source.audio.reset();
      made_.source.warnings.emplace_back("the audio track is empty and left out");
    }
  }

  /// Counted, since containers are often wrong, and as the round number that it is meant to be. Who reads forward
  /// counts the first segment, for the last one may not be there.
  rational frame_rate() const {
    const auto claimed = made_.source.video->frame_rate;
    const auto& first = made_.segments.front();
    const auto steps = by_index_ ? planner_->frames() - 1 : std::uint64_t{first.frames};
    const auto ticks = static_cast<double>(by_index_ ? time_->length(last_ - first_) : first.end - first.start);
    if (planner_->frames() < 2 || steps < 1 || ticks <= 0)
      return claimed.num > 0 ? claimed : rational{25, 1};
    const auto counted =
        std::clamp(static_cast<double>(steps) * made_.ticks.timescale / ticks, lowest_rate, highest_rate);
    // Both ends may be off by half a unit of the container's clock.
    const auto tolerance = counted * std::max(rate_tolerance, static_cast<double>(made_.ticks.tick_scale) / ticks);
    std::vector<rational> candidates{claimed, to_rational(from_.stream(made_.source.video->index).r_frame_rate)};
    candidates.insert(candidates.end(), std::begin(usual_rates), std::end(usual_rates));
    for (const auto& candidate : candidates)
      if (std::abs(candidate.value() - counted) <= tolerance)
        return candidate;
    return to_rational(av_d2q(counted, 100'000));
  }

  static constexpr auto not_enough = "there is not enough yet to plan a segment";

  demuxer& from_;
  byte_source& source_;
  const sample_times& index_;
  demuxer* times_; ///< of the index, where that is known to be whole
  arrival how_ = arrival::whole;
  bool copy_; ///< if that is possible
  fingerprint identity_;
  std::size_t identified_ = 0; ///< packets
  scan_result made_;
  std::optional<packet_inspector> inspector_;
  std::optional<anchor_finder> anchors_;
  std::optional<video_decoder> decoder_; ///< until there is a first picture
  std::optional<timeline> time_;
  std::optional<grid_planner> planner_; ///< once there is
  std::optional<copy_check> copying_;   ///< and another plan in case it passes
  std::optional<grid_planner> keyed_planner_;
  std::vector<frame_time> held_; ///< until then
  std::vector<int> streams_;
  sample_bytes pictures_; ///< where the index tells
  sample_bytes sound_;
  bool by_index_ = false;
  bool pictures_known_ = false; ///< where they are
  bool sound_known_ = false;
  std::size_t packets_without_picture_ = 0;
  std::int64_t first_ = no_pts;
  std::int64_t last_ = no_pts;
  std::int64_t audio_end_ = 0;
  bool has_audio_ = false;
};

} // namespace

result<scan_result> scan(byte_source& source, const interrupt& stop, arrival how, bool copy) {
  auto opened = demuxer::open(source, stop);
  if (!opened)
    return tl::unexpected(opened.error());
  const auto index = read_sample_times(source);
  std::unique_ptr<demuxer> times;
  if (index.source)
    if (auto made = demuxer::open_times(*index.source, **opened))
      times = std::move(*made);
  return scanner(**opened, source, probe(**opened, source), index, times.get(), copy).run(how);
}

} // namespace vp::media
