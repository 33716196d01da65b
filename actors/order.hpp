#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vp {

/// Names an encoder for as long as the dispatcher knows it.
using encoder_id = std::uint64_t;

/// One video's segments as they are dealt out to encoders.
///
/// A segment is cheapest on the encoder that did the one before it, for its decoder stands at the right place; anywhere
/// else the encoder seeks, and decodes up to a whole group of pictures for nothing. So waiting segments are seen as
/// runs of adjacent ones, and a run belongs to the encoder that stands at its start. An encoder is given, in this
/// order:
///   1. if it is fresh, a segment that a process has died of, which only a fresh one gets;
///   2. the segment at which its own decoder stands;
///   3. the start of a run that belongs to nobody, first of all one that was given back;
///   4. the middle of the longest run. An encoder that is new here does so whatever the run's length, so that two
///   encoders
///      each do one contiguous half; an encoder that has been here only where enough is left to be worth another seek.
class order {
public:
  /// Runs shorter than this are left to the encoder that stands at their start.
  static constexpr std::size_t worth_a_seek = 3;

  order() = default;
  explicit order(job_order what);

  /// The segment that this encoder should do next, as an index for the other calls. `alone`: there is no other encoder,
  /// so it also gets what it has just failed at. `fresh`: its process has done nothing yet.
  std::optional<std::size_t> next(encoder_id encoder, bool alone, bool fresh = false) const;

  /// The segment at which this encoder's decoder stands, if it waits.
  std::optional<std::size_t> adjacent(encoder_id encoder, bool alone) const;

  void started(std::size_t index, encoder_id encoder);
  void encoded(std::size_t index);
  void stored(std::uint32_t number);

  /// Waits again, after the encoder failed at it; answers how often that happened by now.
  std::uint32_t failed(std::size_t index, encoder_id encoder);

  /// Waits again, after its encoder was lost; answers how often that happened by now.
  std::uint32_t lost(std::size_t index, encoder_id encoder);

  /// Waits again, for a fresh encoder, after its encoder's process died of it; answers how often that happened by now.
  std::uint32_t crashed(std::size_t index, encoder_id encoder);

  /// Will not be tried again.
  void give_up(std::size_t index);

  /// This encoder's decoder is no longer here.
  void left(encoder_id encoder);

  const source_ref& source() const { return what_.source; }
  const media::plan& plan() const { return what_.plan; }
  const media::segment& cell(std::size_t index) const { return what_.cells[index]; }

  /// All that wait, and those of them that a fresh encoder must do.
  std::size_t waiting() const { return waiting_; }
  std::size_t waiting_for_fresh() const { return suspects_; }
  std::size_t running() const { return running_; }

  /// Segments that were started and are not stored: what the order holds in memory.
  std::size_t unstored() const { return running_ + encoded_; }

private:
  enum class state : std::uint8_t { waiting, running, encoded, stored, given_up };

  struct entry {
    order::state state = order::state::waiting;
    bool given_back = false;
    encoder_id avoid = 0; ///< failed at it last; 0 is nobody
    std::uint32_t failures = 0;
    std::uint32_t losses = 0;
    std::uint32_t crashes = 0;
  };

  bool available(std::size_t index, encoder_id encoder, bool alone) const;
  std::optional<std::size_t> find(std::uint32_t number) const;
  bool belongs_to_somebody(std::size_t index) const;
  std::size_t middle(std::size_t begin, std::size_t end) const;
  void wait_again(std::size_t index, encoder_id encoder);

  job_order what_;
  std::vector<entry> entries_;                 ///< in step with `what_.cells`
  std::map<encoder_id, std::uint32_t> stands_; ///< the segment number at which each decoder stands
  std::set<encoder_id> known_;                 ///< have been here
  std::size_t waiting_ = 0;
  std::size_t suspects_ = 0; ///< of those that wait: that a process has died of
  std::size_t running_ = 0;
  std::size_t encoded_ = 0;
};

} // namespace vp
