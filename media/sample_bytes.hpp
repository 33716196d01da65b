#pragma once

#include "media/av.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <vector>

namespace vp::media {

/// Where the samples of one track of an MP4 or MOV are in the file, in the order in which they are decoded. Times are
/// those of the track's time base.
class sample_bytes {
public:
  /// The next sample's times, in the order of the index.
  void add(std::int64_t pts, std::int64_t dts) { times_.push_back({pts, dts}); }

  /// Looks the places up in the index of the real track. False where that has not as many samples.
  bool locate(AVStream& track);

  /// What a decoder that begins anew reads to show everything from `start` to before `end`, with `slack` on both sides
  /// for what it reads ahead and for a keyframe that is not quite where it seems.
  byte_range of_pictures(std::int64_t start, std::int64_t end, std::int64_t slack) const;

  /// Bytes of all samples.
  std::uint64_t total() const;

  /// Bytes of the samples that are shown from each of `starts` to the next, or to the end; they rise, and what is shown
  /// before a start is decoded before all that is shown from it on.
  std::vector<std::uint64_t> totals(const std::vector<std::int64_t>& starts) const;

  /// The samples that are decoded from `start` to before `end`, and the ones around them.
  byte_range of_sound(std::int64_t start, std::int64_t end) const;

private:
  struct times {
    std::int64_t pts;
    std::int64_t dts;
  };
  struct place {
    byte_range bytes;
    bool key;
  };

  /// The first sample that is decoded after `time`.
  std::size_t after(std::int64_t time) const;
  byte_range span_of(std::size_t first, std::size_t end) const;

  std::vector<times> times_;
  std::vector<place> places_; ///< in step with `times_`
};

} // namespace vp::media
