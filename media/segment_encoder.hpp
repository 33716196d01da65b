#pragma once

#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vp::media {

/// Encodes segments of one video, each for itself: decode once, scale every rung from one above, one
/// single-threaded encoder a rung; the largest may be the source's own pictures instead. Which segments come, in which
/// order and on which machine makes no difference to the bytes.
///
/// The decoder stays open between adjacent segments, so a run of them costs hardly more than its own frames; anything
/// else seeks. After an error the object is spent: open another.
class segment_encoder {
public:
  /// `source` must outlive the encoder. One that `decodes_ahead` does so in a second thread, for segments that somebody
  /// waits for: the bytes are the same, and two processors are busy with them.
  static result<std::unique_ptr<segment_encoder>> open(byte_source& source, const plan& plan,
                                                       bool decodes_ahead = false);

  virtual ~segment_encoder() = default;

  /// The fragments of `cell`, one for each of `renditions` (ids of the plan; all of them when empty) that has media
  /// there. `poster_id` among them brings the poster too, as a fragment of that name: a JPEG, or no bytes where none
  /// can be made.
  virtual result<std::vector<fragment>> encode(const segment& cell, std::span<const std::string> renditions,
                                               const interrupt& stop) = 0;

  /// Video frames decoded so far, for the cost of seeking.
  virtual std::uint64_t decoded_frames() const noexcept = 0;
};

} // namespace vp::media
