#pragma once

#include "media/audio_mixer.hpp"
#include "media/av.hpp"
#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <memory>

namespace vp::media {

class audio_clock;
class demuxer;

/// Reads any stretch of a source's audio as stereo at 48 kHz.
///
/// A stretch depends on the source, the plan and its bounds alone. Demuxers land where they like when they seek, so the
/// decoder, a new one for each stretch, begins at the first packet from a quarter of a second before the stretch on,
/// whatever came before it in the file.
class audio_reader {
public:
  /// `source` must outlive the reader; `plan` has audio.
  audio_reader(byte_source& source, const plan& plan);
  audio_reader(const audio_reader&) = delete;
  audio_reader& operator=(const audio_reader&) = delete;
  ~audio_reader();

  /// The output samples `[from, to)` from time zero. Damaged packets and what lies outside the source are silence.
  result<stereo> read(std::int64_t from, std::int64_t to, const interrupt& stop);

private:
  result<void> open(const interrupt& stop);
  result<codec_context> open_decoder();
  result<bool> next(AVPacket& packet, const interrupt& stop);
  result<bool> go_to(std::int64_t position, audio_clock& clock, AVPacket& packet, const interrupt& stop);
  result<void> seek_before(std::int64_t pts);
  std::int64_t count_from_anchor(const audio_clock& clock, std::int64_t pts) const;

  byte_source& source_;
  media::plan plan_;
  int stream_;
  std::unique_ptr<demuxer> demuxer_; ///< opened by the first call, then kept: only its seeking remembers anything
};

} // namespace vp::media
