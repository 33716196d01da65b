#pragma once

#include "media/byte_source.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace vp::cli {

using chunk_indexes = std::deque<std::uint32_t>;

/// These chunks in the order in which they are best sent, so that the video can be watched soon: those with the file's
/// index, wherever it is; those of its first 2 MiB; the others as they come.
chunk_indexes in_sending_order(const chunk_indexes& missing, media::byte_source& source, std::uint64_t chunk_size);

/// Those of `wanted` that are among the chunks go before all others, in their order.
void put_first(chunk_indexes& chunks, const std::vector<std::uint32_t>& wanted);

} // namespace vp::cli
