#pragma once

#include "media/byte_source.hpp"

#include <string>
#include <string_view>

namespace vp::media {

/// Whether an ISO file has a box of this type at its top level (ISO/IEC 14496-12 section 4.2).
bool has_top_level_box(byte_source& source, std::string_view type);

/// Whether the outermost structure of a file reaches beyond its end. Only for the containers that say how long they
/// are: ISO, Matroska (not as it is streamed live), AVI and MPEG-TS; false for all others.
bool is_cut_off(byte_source& source, std::string_view format);

/// The MIME type of a file in a container that `demuxer` knows, by its name and first bytes.
std::string mime_type(byte_source& source, std::string_view format, bool has_video);

} // namespace vp::media
