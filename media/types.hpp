#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What the parts of the media code tell each other, and what travels in messages: plain values without FFmpeg's types.
namespace vp::media {

struct rational {
  std::int64_t num = 0;
  std::int64_t den = 1;

  double value() const { return den == 0 ? 0.0 : static_cast<double>(num) / static_cast<double>(den); }
  friend bool operator==(const rational&, const rational&) = default;
};

/// Bytes of a file, from `begin` to before `end`.
struct byte_range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool empty() const noexcept { return begin >= end; }
  std::uint64_t size() const noexcept { return empty() ? 0 : end - begin; }
  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// The video stream of a source, as it is stored.
struct video_stream {
  int index = -1;
  std::string codec; ///< FFmpeg's short name, such as `h264`
  int width = 0;     ///< pixels as coded, before rotation
  int height = 0;
  rational sample_aspect{1, 1};
  int rotation = 0;         ///< degrees clockwise that a player turns the picture: 0, 90, 180, 270
  bool mirrored = false;    ///< flipped left to right, before it is turned
  rational frame_rate;      ///< average, frames per second
  rational time_base;       ///< of the container's timestamps, seconds
  std::string pixel_format; ///< FFmpeg's name, such as `yuv420p10le`
  bool interlaced = false;
  bool hdr = false; ///< PQ or HLG transfer: tone-mapped before it is encoded

  friend bool operator==(const video_stream&, const video_stream&) = default;
};

/// The audio stream of a source, as it is stored.
struct audio_stream {
  int index = -1;
  std::string codec;
  int sample_rate = 0;
  int channels = 0;
  rational time_base;

  friend bool operator==(const audio_stream&, const audio_stream&) = default;
};

/// A place in the source's audio whose position is known to the sample. Containers count time in ticks that can be
/// coarser than a sample, and some seek only roughly; from the nearest anchor everybody counts the same way, wherever
/// they begin.
struct audio_anchor {
  std::int64_t pts = 0;      ///< of a packet, in the stream's time base
  std::int64_t position = 0; ///< of its first sample, in the source's own samples from time zero; may be negative
  std::int64_t byte = -1;    ///< where the packet begins in the source, if that is how to seek there
  std::int32_t grid = 0; ///< packets from here to the next anchor begin at multiples of so many samples; 0: they vary;
                         ///< -1: the audio ends here

  friend bool operator==(const audio_anchor&, const audio_anchor&) = default;
};

struct source_info {
  std::string format;          ///< the demuxer's name
  std::string mime_type;       ///< what the bytes are, whatever the client said
  double duration = 0;         ///< seconds
  std::int64_t start_time = 0; ///< of the container, microseconds; time zero of everything that is made
  std::optional<video_stream> video;
  std::optional<audio_stream> audio;
  std::vector<std::string> warnings; ///< sentences for the uploader, such as a truncated index

  friend bool operator==(const source_info&, const source_info&) = default;
};

/// One cell of the timeline: 2 s, 2 s, then 4 s each, cut where frames are; with a copied rendition, at the first of
/// the source's keyframes from these times on.
///
/// Video ticks are those of `plan::timescale`, counted from the container's start time. A cell holds every frame with
/// `start <= pts < end`, and `end` is the next cell's first frame, so that fragments abut exactly whatever the frame
/// rate does. Audio is counted in AAC frames of 1024 samples on one global grid that begins at time zero.
struct segment {
  std::uint32_t number = 0;
  std::int64_t start = 0;       ///< pts of the first video frame
  std::int64_t end = 0;         ///< pts of the next segment's first video frame, or the end of the last frame
  std::uint32_t frames = 0;     ///< video frames; 0 where there is no video
  std::int64_t audio_start = 0; ///< first AAC frame
  std::int64_t audio_end = 0;   ///< one past the last AAC frame; equal to `audio_start` where there is no audio
  byte_range video_bytes;       ///< of the source, that are read for its frames; all where the index does not tell
  byte_range audio_bytes;       ///< the same for its audio

  /// The same cell of the timeline, wherever its bytes are.
  bool same_cell(segment other) const {
    other.video_bytes = video_bytes;
    other.audio_bytes = audio_bytes;
    return *this == other;
  }

  friend bool operator==(const segment&, const segment&) = default;
};

enum class media_kind : std::uint8_t { video, audio };

/// One rung of the ladder, or the audio: a set of fragments with one init segment.
struct rendition {
  std::string id;   ///< folder name: `<name>-<8 hex digits of source, plan and settings>`
  std::string name; ///< `720p`, `audio`
  media_kind kind = media_kind::video;
  std::string encoder; ///< as resolved: `libx264`, `h264_videotoolbox`, `aac`, or `copied`
  int width = 0;       ///< square pixels, upright
  int height = 0;
  int bitrate = 0; ///< nominal bits per second; for video the base of the VBV limits, and the peak where it is copied
  std::string codecs; ///< RFC 6381, such as `avc1.64001f`; filled by `make_init_segments`

  friend bool operator==(const rendition&, const rendition&) = default;
};

/// How a video is encoded. Made once a job and kept, so that a job that is continued makes the same bytes.
struct plan {
  source_info source;
  std::string identity;        ///< of how the source's tracks begin; the rendition ids follow from it
  std::uint32_t timescale = 0; ///< ticks per second of the video tracks; audio tracks use `sample_rate`
  std::int64_t tick_scale = 1; ///< ticks for one unit of the source's time base numerator: ticks = pts * tick_scale
  rational frame_rate;         ///< what the encoders are told
  std::int64_t video_end = 0;  ///< ticks; where the last frame ends
  std::uint64_t seen = 0; ///< bytes of the source that were looked at, of one that goes on; 0: all, and this is final
  std::string preset;     ///< x264's
  double crf = 0;
  std::vector<rendition> renditions;       ///< video from the largest to the smallest, then audio
  std::vector<audio_anchor> audio_anchors; ///< in order: where it begins, wherever counting starts anew, where it ends

  /// More segments will follow.
  bool grows() const noexcept { return seen > 0; }

  friend bool operator==(const plan&, const plan&) = default;
};

/// What stands for an encoder where the source's own pictures are a rendition. All renditions are cut at its keyframes
/// then.
inline constexpr auto copied = "copy";

/// What stands for the poster where renditions are named.
inline constexpr auto poster_id = "poster";

inline constexpr int audio_sample_rate = 48000;
inline constexpr int audio_frame_size = 1024;
inline constexpr int audio_bitrate = 128000;

/// What the uploader cannot choose and the operator can.
struct encode_settings {
  std::string encoder = "auto";
  std::string preset = "veryfast";
  double crf = 21;
  std::string salt;         ///< goes into the renditions' ids
  bool copy_source = false; ///< where the source's pictures can be the largest rendition as they are

  friend bool operator==(const encode_settings&, const encode_settings&) = default;
};

/// How much of a source there is: all; all, but its bytes are waited for; or only its beginning.
enum class arrival : std::uint8_t { whole, arriving, growing };

/// The file that a player loads before the first fragment of a rendition.
struct init_segment {
  std::string rendition;
  std::vector<unsigned char> bytes;

  friend bool operator==(const init_segment&, const init_segment&) = default;
};

/// One CMAF fragment: styp, moof, mdat (ISO/IEC 23000-19).
struct fragment {
  std::string rendition;
  std::uint32_t segment = 0;
  std::int64_t start = 0; ///< ticks of the rendition's timescale
  std::int64_t duration = 0;
  std::uint32_t frames = 0; ///< video frames or AAC frames
  std::vector<unsigned char> bytes;
};

/// All that is known of a source before its first segment is encoded.
struct analysis {
  media::plan plan;
  std::vector<segment> segments;
  std::vector<init_segment> inits;
};

} // namespace vp::media
