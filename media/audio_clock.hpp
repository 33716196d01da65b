#pragma once

#include "media/av.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace vp::media {

/// Tells where on the timeline the samples of each audio packet lie, to the sample, though containers may count in
/// milliseconds.
///
/// Packets follow one another without a gap as long as their timestamps agree with the samples counted so far: to one
/// tick of the container, or to a quarter of a packet where its clock jitters more than that. Where they don't,
/// counting starts anew from the timestamp.
///
/// Positions are the source's own samples, counted from time zero (the container's start time); they may be negative.
class audio_clock {
public:
  /// `format` is the demuxer's name; `start_time` that of the container, in microseconds.
  audio_clock(const AVStream& stream, std::string_view format, std::int64_t start_time);
  ~audio_clock();

  /// The position of the next packet's first sample. It may have a size and no bytes, where these have no say in how
  /// many samples it holds.
  std::int64_t position(const AVPacket& packet);

  /// How many samples the last packet holds.
  std::int64_t samples() const noexcept { return samples_; }

  /// True when the last packet did not follow the one before.
  bool restarted() const noexcept { return restarted_; }

  /// Time zero in samples.
  std::int64_t zero() const noexcept { return zero_; }

  /// The next packet begins at `position`, whatever its timestamp says.
  void restart(std::int64_t position);

  /// What the timestamp alone says.
  std::int64_t rough_position(std::int64_t pts) const;

  /// The timestamp, rounded down, that `samples` after `pts` has.
  std::int64_t pts_after(std::int64_t pts, std::int64_t samples) const;

  /// True where each timestamp is a whole sample.
  bool exact() const noexcept { return exact_; }

  /// True where it takes no look into the packets to know how many samples they hold.
  bool counts_by_container() const noexcept;

  /// True for a bare stream of packets: it has no timestamps, and is sought by bytes.
  bool bare() const noexcept { return bare_; }

  /// True when nobody knows how many samples the packets hold, so that the timestamps are all there is.
  bool guesses() const noexcept { return guessed_; }

private:
  struct parser;

  std::int64_t count(const AVPacket& packet);

  AVCodecParameters& parameters_;
  AVRational time_base_;
  AVRational sample_;     ///< duration of one
  std::int64_t zero_ = 0; ///< time zero in samples
  std::int64_t tick_ = 1; ///< of the container, in samples, rounded up
  bool exact_ = false;
  bool timed_ = false; ///< each packet's duration is a whole number of samples, as the container says
  bool bare_ = false;
  bool started_ = false;
  bool forced_ = false;
  bool restarted_ = false;
  bool guessed_ = false;
  std::int64_t expected_ = 0; ///< where the next packet begins if nothing is missing
  std::int64_t samples_ = 0;
  std::unique_ptr<parser> parser_; ///< for codecs whose packets vary in length
};

/// Finds the anchors from which any segment's audio can be counted. Shown every packet of the stream once, in order.
class anchor_finder {
public:
  anchor_finder(const AVStream& stream, std::string_view format);

  void add(const AVPacket& packet);

  /// In order of position, for a timeline that begins at `start_time` (microseconds, of the container). Some hundred at
  /// most, unless the source is broken.
  std::vector<audio_anchor> anchors(std::int64_t start_time) const;

private:
  struct found {
    audio_anchor anchor;
    bool needed; ///< counting starts anew here; others only make the way shorter
  };

  void push(const AVPacket& packet, std::int64_t position, std::int64_t grid, bool needed);
  bool counts_afresh(const AVPacket& packet) const;
  void thin_out();

  const AVStream& stream_;
  std::string_view format_;
  audio_clock clock_;
  std::vector<found> found_;
  std::int64_t spacing_; ///< samples between anchors that are not needed
  std::int64_t last_pts_ = no_pts;
  std::int64_t end_pts_ = no_pts;
  std::int64_t end_ = INT64_MIN; ///< one past the last sample
  bool varies_ = false;          ///< packets of this run don't all have the same length
};

/// The last of `anchors`, of which there is at least one, that is not after `position`; the first when all are.
const audio_anchor& anchor_before(std::span<const audio_anchor> anchors, std::int64_t position);

} // namespace vp::media
