#pragma once

#include "media/audio_mixer.hpp"
#include "media/audio_reader.hpp"
#include "media/av.hpp"
#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/mp4.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vp::media {

/// Encodes the audio of one video as AAC-LC, a segment at a time, each for itself.
///
/// The grid is global: frame i is the samples `[i * 1024, (i + 1) * 1024)` of the timeline at 48 kHz, and packet i
/// decodes to just these. An encoder's first packets know nothing yet of the signal before, so each segment is encoded
/// from 4 frames before its first to 2 after its last, and only its own packets are kept. Which segments came before
/// makes no difference to the bytes.
class audio_encoder {
public:
  /// `source` must outlive the encoder. Errors: `invalid_request` for a plan without audio.
  static result<std::unique_ptr<audio_encoder>> open(byte_source& source, const plan& plan);

  /// The fragment of `cell`, which must have audio frames. Damaged packets and what lies outside the source are
  /// silence.
  result<fragment> encode(const segment& cell, const interrupt& stop);

private:
  audio_encoder(byte_source& source, const plan& plan, std::string rendition)
      : reader_(source, plan), rendition_(std::move(rendition)) {}

  audio_reader reader_;
  std::string rendition_;
};

/// What an audio rendition's init segment is made of (`write_init_segment` with `audio_sample_rate`, `codecs_string`):
/// always the same.
result<codec_parameters> audio_parameters();

/// Encodes whole frames, the first of them frame `first` of the timeline; answers the packets of the frames `[from,
/// to)`. Packet i needs frame i + 1 to be there too.
result<std::vector<sample>> encode_aac(const stereo& samples, std::int64_t first, std::int64_t from, std::int64_t to);

} // namespace vp::media
