#pragma once

#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

namespace vp::media {

/// Probes a source, plans its grid and renditions, opens every encoder once for the init segments, and makes the
/// poster. Reads the whole source once, without decoding it. Errors: `unsupported_media`, `broken_media`,
/// `encoder_failed`, `timed_out`, `cancelled`, each with a sentence that its uploader understands.
result<analysis> analyze(byte_source& source, const encode_settings& settings, const interrupt& stop);

} // namespace vp::media
