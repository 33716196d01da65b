#pragma once

#include "actors/interfaces.hpp"
#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/segment_encoder.hpp"

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vp::media::interrupt)

namespace vp {

struct encoder_config {
  /// How a source becomes readable.
  std::function<result<std::unique_ptr<media::byte_source>>(const source_ref&)> open_source =
      [](const source_ref& where) { return media::open_file(where.path); };
  caf::timespan segment_timeout = std::chrono::seconds(300);
  caf::timespan analyze_timeout = std::chrono::seconds(300); ///< besides `time_to_read`
  /// A codec that is silent for so long after its limit hangs: it is left behind.
  caf::timespan grace = std::chrono::seconds(10);
  /// After so long without a task the decoder and its memory are given back.
  caf::timespan idle = std::chrono::seconds(10);
  /// Of the codec's threads, where the system can do that for one thread; 0 leaves them as they are.
  int niceness = 10;
  /// See `media::segment_encoder`.
  bool decodes_ahead = false;
};

/// Behind an encoder, in a thread of its own: the part that is inside FFmpeg for seconds.
using codec_actor = caf::typed_actor<
    // Looks at a source and plans it.
    caf::replies_to<analyze_atom, analyze_task, media::interrupt>::with<media::analysis>,
    // Encodes one segment.
    caf::replies_to<encode_atom, segment_task, media::interrupt>::with<segment_result>,
    // Closes what it holds open for the next segment.
    caf::reacts_to<close_atom>>;

struct codec_state {
  static constexpr const char* name = "codec";

  encoder_config config;
  // What the last segment was of. The source outlives its encoder.
  source_ref where;
  media::plan plan;
  std::unique_ptr<media::byte_source> source;
  std::unique_ptr<media::segment_encoder> encoder;
};

codec_actor::behavior_type codec(codec_actor::stateful_pointer<codec_state> self, encoder_config config);

/// The encoder's own interface: it has done nothing since this task.
using encoder_impl = encoder_actor::extend<caf::reacts_to<tick_atom, std::uint64_t>>;

struct encoder_state {
  static constexpr const char* name = "encoder";

  ~encoder_state();

  encoder_config config;
  codec_actor codec;
  media::interrupt stop;
  std::uint64_t task = 0; ///< the last one's number
  bool busy = false;
  std::string video_hash;       ///< while busy
  caf::response_promise answer; ///< while busy
};

/// The front that answers at any time, while `codec`, which it owns, does one task after the other. A task over its
/// limit is interrupted, and one that doesn't react to that ends the encoder: its codec can't be trusted to come back.
encoder_impl::behavior_type encoder(encoder_impl::stateful_pointer<encoder_state> self, encoder_config config,
                                    codec_actor codec);

/// An encoder with a codec in a thread of its own.
encoder_actor spawn_encoder(caf::actor_system& system, const encoder_config& config);

} // namespace vp
