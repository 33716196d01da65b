#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace vp {

/// Names an encoder for as long as the dispatcher knows it.
using encoder_id = std::uint64_t;

/// One video's segments as they are dealt out to encoders, each for a set of renditions. What viewers wait for goes
/// before everything else, in the order of their wishes and a rendition at a time; then what the order wants
/// first. The rest of a segment is one task.
///
/// A segment is cheapest on the encoder that did the one before it, for its decoder stands at the right place; anywhere
/// else the encoder seeks, and decodes up to a whole group of pictures for nothing. So waiting segments are seen as
/// runs of adjacent ones, and a run belongs to the encoder that stands at its start. An encoder is given, in this
/// order:
///   1. if it is fresh, a segment that a process has died of, which only a fresh one gets;
///   2. the segment at which its own decoder stands;
///   3. the start of a run that belongs to nobody, first of all one that was given back;
///   4. the middle of the longest run. An encoder that is new here does so whatever the run's length, so that two
///   encoders each do one contiguous half; an encoder that has been here only where enough is left to be worth another
///   seek.
class order {
public:
  /// Runs shorter than this are left to the encoder that stands at their start.
  static constexpr std::size_t worth_a_seek = 3;

  /// What an encoder is given: some renditions of the cell with this index.
  struct part {
    std::size_t index = 0;
    rendition_bits renditions = 0;

    friend bool operator==(const part&, const part&) = default;
  };

  order() = default;
  explicit order(job_order what);

  /// What this encoder should do next where nobody waits for anything. `alone`: there is no other encoder, so it also
  /// gets what it has just failed at. `fresh`: its process has done nothing yet.
  std::optional<part> next(encoder_id encoder, bool alone, bool fresh = false) const;

  /// The most urgent of what viewers can't wait for, unless somebody has failed at it: for encoders that are there for
  /// viewers. They alone also make what is `is_early`. `last`: only where somebody has begun or sought to, or what
  /// takes no time, as sound does.
  std::optional<part> urgent(encoder_id encoder, bool alone, bool last) const;

  /// What those leave, when so many of the first ones are to be theirs that also the last of them would do; counts
  /// these down.
  std::optional<part> left_over(encoder_id encoder, bool alone, std::size_t& theirs) const;

  /// What players want next that play on, unless somebody has failed at it.
  std::optional<part> soon(encoder_id encoder, bool alone) const;

  /// What viewers want a little later, and else what the order wants first.
  std::optional<part> later(encoder_id encoder, bool alone) const;

  /// What the order wants first, unless somebody has failed at it. `last`: only what takes no time.
  std::optional<part> first(encoder_id encoder, bool alone, bool last) const;

  /// The segment at which this encoder's decoder stands, if it waits.
  std::optional<part> adjacent(encoder_id encoder, bool alone) const;

  /// More is wanted: of cells behind the last one, and of those that are here.
  void grow(job_order more);

  /// From now on this is what viewers wait for.
  void wish(viewer_needs what);

  /// Whether anything may make a task make way.
  bool is_hurried() const { return !wishes_.urgent.empty() || wishes_.soon > 0; }

  enum class need { sought, urgent, soon };

  /// Whether something that is at least so much needed waits in this task for pictures that are not, or what somebody
  /// has sought to for others. Not again for a segment that was `interrupted`.
  bool holds_back(const part& task, need least) const;

  /// Whether somebody who has sought waits for what can be given to those for viewers, and is in no other task.
  bool keeps_seekers_waiting() const;

  /// Whether nobody waits for any of this now or soon, has sought to its segment, or will when a video begins.
  bool is_for_nobody(const part& task) const;

  /// The bytes of these are there.
  void arrived(const std::vector<cell_part>& parts);

  /// Whether some of the bytes of this are in chunks that are still on their way.
  bool is_early(const part& what) const { return (what.renditions & ~entries_[what.index].ready) != 0; }

  void started(const part& what, encoder_id encoder);
  void encoded(const part& what);
  void stored(std::uint32_t number);

  /// Waits again, after the encoder failed at it; answers how often that happened by now to this segment.
  std::uint32_t failed(const part& what, encoder_id encoder);

  /// Waits again, after its encoder was lost; answers how often that happened by now to this segment.
  std::uint32_t lost(const part& what, encoder_id encoder);

  /// Waits again, after its encoder was told to leave it for something urgent. A task for several renditions is not
  /// left a second time.
  void interrupted(const part& what, encoder_id encoder);

  /// Waits for its bytes again, which were early and came to nothing. It is not early again in the same `reading`.
  void taken_back(const part& what, encoder_id encoder, std::uint32_t reading);

  /// Waits again, for a fresh encoder, after its encoder's process died of it; answers how often that happened by now.
  std::uint32_t crashed(const part& what, encoder_id encoder);

  /// The segment will not be tried again.
  void give_up(std::size_t index);

  /// Whether this encoder's decoder is where this begins.
  bool stands_at(const part& what, encoder_id encoder) const;

  /// This encoder's decoder is no longer here.
  void left(encoder_id encoder);

  const source_ref& source() const { return what_.source; }
  std::uint32_t reading() const { return wishes_.reading; } ///< of what is early
  const media::plan& plan() const { return what_.plan; }
  const media::segment& cell(std::size_t index) const { return what_.cells[index].cell; }

  /// Segments that can be given out, all and those that a fresh encoder must do.
  std::size_t waiting() const { return waiting_; }
  std::size_t waiting_for_fresh() const { return suspects_; }
  /// Whether anything can be given out that viewers wait for or that the order wants first.
  bool has_wishes() const;
  /// Tasks.
  std::size_t running() const { return running_; }
  std::vector<cell_part> running_parts() const;

  /// Tasks that were started and whose results are not stored: what the order holds in memory.
  std::size_t unstored() const { return running_ + encoded_; }

private:
  struct entry {
    rendition_bits waiting = 0;
    rendition_bits ready = 0; ///< of all renditions: the source's bytes are there
    rendition_bits running = 0;
    rendition_bits urgent = 0; ///< to viewers
    rendition_bits sought = 0; ///< of these
    rendition_bits soon = 0;
    rendition_bits early = 0;  ///< of the urgent ones: would be ready if what is still on its way were there
    std::uint32_t encoded = 0; ///< tasks whose results are not stored
    bool given_back = false;
    bool interrupted = false;
    bool given_up = false;
    encoder_id avoid = 0;         ///< failed at it last; 0 is nobody
    std::uint32_t taken_back = 0; ///< the reading in which that happened
    std::uint32_t failures = 0;
    std::uint32_t losses = 0;
    std::uint32_t crashes = 0;

    /// What can be given out, also when it is early.
    rendition_bits open(bool also_early = false) const {
      return given_up ? 0 : waiting & (ready | (also_early ? early : 0));
    }
  };

  void add(const std::vector<cell_order>& cells);

  /// The first of a list that this encoder may be given and that `accepts`.
  template <class Accepts>
  std::optional<part> first_open(std::span<const cell_part> list, encoder_id encoder, bool alone, Accepts accepts,
                                 bool also_early = false) const;
  bool has_failed(const part& what) const { return entries_[what.index].failures > 0; }
  bool takes_no_time(const part& what) const { return (what.renditions & decoded_) == 0; }
  /// What also the last free encoder for viewers does.
  bool is_for_last(const part& what) const {
    return (entries_[what.index].sought & what.renditions) != 0 || takes_no_time(what);
  }
  /// What of this cell this encoder may be given, and of that what is urgent to nobody: what is, and was left to
  /// others, does not wait for all the rest of its segment.
  rendition_bits available(std::size_t index, encoder_id encoder, bool alone, bool also_early = false) const;
  rendition_bits rest(std::size_t index, encoder_id encoder, bool alone) const;
  std::optional<std::size_t> find(std::uint32_t number) const;
  bool belongs_to_somebody(std::size_t index) const;
  std::size_t middle(std::size_t begin, std::size_t end) const;
  void wait_again(const part& what, encoder_id encoder);

  /// Changes an entry, and the counts with it.
  template <class F>
  void change(std::size_t index, F how);

  job_order what_;
  std::vector<entry> entries_; ///< in step with `what_.cells`
  viewer_needs wishes_;
  rendition_bits decoded_ = 0;                 ///< the renditions that need a decoder for pictures
  std::map<encoder_id, std::uint32_t> stands_; ///< the segment number at which each decoder stands
  std::set<encoder_id> known_;                 ///< have been here
  std::size_t waiting_ = 0;
  std::size_t suspects_ = 0; ///< of those that wait: that a process has died of
  std::size_t running_ = 0;
  std::size_t encoded_ = 0;
};

} // namespace vp
