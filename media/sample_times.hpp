#pragma once

#include "media/byte_source.hpp"

#include <memory>
#include <string>
#include <vector>

namespace vp::media {

/// The index of an MP4 or MOV as a file of its own, in which each sample is one byte: read as a video it has the
/// packets of the real one with their times and flags, and takes milliseconds where the real one has gigabytes, or has
/// not arrived.
struct sample_times {
  std::unique_ptr<byte_source> source;
  std::string digest;         ///< hex digits, of the whole index as it is
  std::vector<bool> in_order; ///< of each track, whether its samples are shown in the order in which they are decoded
};

/// Of a source whose index says all: not of one in fragments, nor with samples that are empty. No source: it is none
/// such, or no ISO file. Reads the index, and of what is before it the headers.
sample_times read_sample_times(byte_source& source);

} // namespace vp::media
