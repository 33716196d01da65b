#pragma once

#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace vp::media {

/// Probes a source, plans its grid and renditions, and opens every encoder once for the init segments. Reads no more
/// than the index and the first pictures where the index tells the rest, else the whole source once, without decoding
/// it. Errors: `unsupported_media`, `broken_media`, `encoder_failed`, `timed_out`, `cancelled`, each with a sentence
/// that its uploader understands; of a source that arrives `incomplete`, where the index does not tell. Where it tells,
/// the analysis is the same whether all of the source is there or not. Of a source that grows, which is the beginning
/// of a file, there are the first segments of the whole and their renditions, of the same names; `incomplete` while
/// there is none.
result<analysis> analyze(byte_source& source, const encode_settings& settings, const interrupt& stop,
                         arrival how = arrival::whole);

/// The number of the segment where the poster is looked for first; nothing where there is no video.
std::optional<std::uint32_t> poster_cell(const plan& plan, const std::vector<segment>& segments);

} // namespace vp::media
