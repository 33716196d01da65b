#pragma once

#include "actors/messages.hpp"

#include <string>
#include <vector>

namespace vp {

/// Whether this rendition has a fragment in this cell.
bool has_media(const media::rendition& rendition, const media::segment& cell);

/// The bit of the poster among a plan's renditions.
rendition_bits poster_bit(const media::plan& plan);

/// The renditions that have media in this cell.
rendition_bits renditions_in(const media::plan& plan, const media::segment& cell);

/// The renditions of this kind.
rendition_bits renditions_of(const media::plan& plan, media::media_kind kind);

/// The ones made of decoded pictures.
rendition_bits decoded_renditions(const media::plan& plan);

/// The video rendition that is there soonest, or where all are encoded that a player may begin with before it knows its
/// bandwidth: the one that is copied, else the smallest of at least 360 lines, or the largest; 0 where there is none.
rendition_bits starting_rendition(const media::plan& plan);

/// Their ids, in the plan's order.
std::vector<std::string> ids_of(const media::plan& plan, rendition_bits which);

/// The bit of the rendition with this id, or of the poster; 0 where there is none.
rendition_bits bit_of(const media::plan& plan, const std::string& id);

/// What of a source of this size it takes to make this kind of a cell: an encoder reads whole pieces.
media::byte_range bytes_of(const media::segment& cell, media::media_kind kind, std::uint64_t source_size);

/// Where on the timeline a cell is.
time_span span_of(const media::plan& plan, const media::segment& cell);

/// How much of the timeline a cell covers, in seconds.
double seconds_of(const media::plan& plan, const media::segment& cell);

} // namespace vp
