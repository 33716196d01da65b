#pragma once

#include "media/av.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// The ISO base media file format as players of HLS and DASH want it: CMAF tracks (ISO/IEC 23000-19), one init segment
/// and any number of fragments that know nothing of each other.
namespace vp::media {

/// One access unit. Times are ticks of the track's timescale. `pts - dts` may be negative: decode times are the sorted
/// presentation times, so that a fragment begins where its first picture is shown and no edit list is needed.
struct sample {
  std::vector<unsigned char> data; ///< as stored: length-prefixed NAL units for H.264
  std::int64_t pts = 0;
  std::int64_t dts = 0;
  std::int64_t duration = 0;
  bool key = false;
};

/// `ftyp` and `moov` of a track with these parameters; depends on nothing else, no clock and no version.
/// Errors: `encoder_failed` when libavformat does not take the parameters.
result<std::vector<unsigned char>> write_init_segment(const AVCodecParameters& parameters, std::uint32_t timescale);

/// Decode times and durations for samples in decoding order: the sorted presentation times, the last sample lasting
/// until `end`. So fragments join exactly, whatever the frame rate does, without an edit list. Error: `encoder_failed`
/// where they are too far apart for a fragment.
result<void> set_decode_times(std::span<sample> samples, std::int64_t end);

/// The first bytes of every fragment, always the same: a server can send them before it has the fragment.
std::span<const unsigned char> fragment_head();

/// One fragment, `styp` `moof` `mdat` (ISO/IEC 14496-12 8.16.2, 8.8.4 and 8.1.1), of samples in decoding order, at
/// least one.
std::vector<unsigned char> write_fragment(std::span<const sample> samples, std::uint32_t sequence_number);

/// True when packets that belong to these H.264 parameters are in Annex B's form (start codes) and have to be
/// converted.
bool is_annex_b(const AVCodecParameters& parameters);

/// An access unit with start codes (ITU-T H.264 Annex B) as NAL units with four-byte lengths, without access unit
/// delimiters and supplemental information, which players do not need (and which would name the encoder's version).
std::vector<unsigned char> to_length_prefixed(std::span<const unsigned char> annex_b);

/// The `codecs` parameter (RFC 6381, ISO/IEC 14496-15 E.2): `avc1.64001f`, `mp4a.40.2`; empty for other codecs.
std::string codecs_string(const AVCodecParameters& parameters);

} // namespace vp::media
