#include "media/container.hpp"

#include "media/boxes.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

namespace vp::media {

namespace {

constexpr std::size_t head_size = 64;

/// The first bytes of a file, or from there on; the rest of the array is zero.
std::array<std::uint8_t, head_size> head_at(byte_source& source, std::uint64_t offset) {
  std::array<std::uint8_t, head_size> head{};
  read_fully(source, offset, head);
  return head;
}

/// An EBML element's size (RFC 8794 section 6) and how many bytes it is written in; no size: it is not known.
struct ebml_size {
  int length = 0;
  std::optional<std::uint64_t> value;
};

ebml_size read_ebml_size(const std::uint8_t* p) {
  const int length = std::countl_zero(*p) + 1;
  if (length > 8)
    return {};
  const std::uint64_t mask = (std::uint64_t{1} << (7 * length)) - 1;
  const auto value = big_endian(p, length) & mask;
  return {length, value == mask ? std::nullopt : std::optional(value)};
}

bool matroska_cut_off(byte_source& source) {
  auto head = head_at(source, 0);
  const auto header = read_ebml_size(head.data() + 4);
  if (header.length == 0 || !header.value)
    return false;
  const auto segment = 4 + static_cast<std::uint64_t>(header.length) + *header.value;
  head = head_at(source, segment);
  if (big_endian(head.data(), 4) != 0x18538067)
    return false;
  const auto size = read_ebml_size(head.data() + 4);
  return size.value && *size.value > source.size() - std::min(source.size(), segment);
}

bool avi_cut_off(byte_source& source) {
  const auto head = head_at(source, 0);
  const auto size = std::uint64_t{head[4]} | std::uint64_t{head[5]} << 8 | std::uint64_t{head[6]} << 16
                    | std::uint64_t{head[7]} << 24;
  return size + 8 > source.size();
}

bool iso_cut_off(byte_source& source) {
  bool cut_off = false;
  walk_boxes(source, [&](const box& it) {
    cut_off = it.size > source.size() - it.offset;
    return true;
  });
  return cut_off;
}

} // namespace

bool has_top_level_box(byte_source& source, std::string_view type) {
  bool found = false;
  walk_boxes(source, [&](const box& it) {
    found = it.type() == type;
    return !found;
  });
  return found;
}

bool is_cut_off(byte_source& source, std::string_view format) {
  if (format == "mov")
    return iso_cut_off(source);
  if (format == "matroska")
    return matroska_cut_off(source);
  if (format == "avi")
    return avi_cut_off(source);
  if (format == "mpegts") // 188 bytes a packet (ISO/IEC 13818-1), with a timestamp, with a checksum
    return source.size() % 188 != 0 && source.size() % 192 != 0 && source.size() % 204 != 0;
  return false;
}

std::string mime_type(byte_source& source, std::string_view format, bool has_video) {
  struct name {
    std::string_view format;
    const char* video;
    const char* audio;
  };
  constexpr name names[] = {{"mpegts", "video/mp2t", "video/mp2t"},
                            {"mpeg", "video/mpeg", "video/mpeg"},
                            {"avi", "video/x-msvideo", "video/x-msvideo"},
                            {"ogg", "video/ogg", "audio/ogg"},
                            {"flv", "video/x-flv", "video/x-flv"},
                            {"asf", "video/x-ms-wmv", "audio/x-ms-wma"},
                            {"mp3", "audio/mpeg", "audio/mpeg"},
                            {"aac", "audio/aac", "audio/aac"},
                            {"wav", "audio/wav", "audio/wav"},
                            {"w64", "audio/x-w64", "audio/x-w64"},
                            {"flac", "audio/flac", "audio/flac"},
                            {"aiff", "audio/aiff", "audio/aiff"},
                            {"caf", "audio/x-caf", "audio/x-caf"},
                            {"ac3", "audio/ac3", "audio/ac3"},
                            {"eac3", "audio/eac3", "audio/eac3"}};
  const auto head = head_at(source, 0);
  const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
  if (format == "mov") {
    if (bytes.substr(4, 8) == "ftypqt  " || bytes.substr(4, 4) != "ftyp")
      return "video/quicktime";
    return has_video ? "video/mp4" : "audio/mp4";
  }
  if (format == "matroska") {
    if (bytes.find("webm") != std::string_view::npos)
      return has_video ? "video/webm" : "audio/webm";
    return has_video ? "video/x-matroska" : "audio/x-matroska";
  }
  for (const auto& it : names)
    if (it.format == format)
      return has_video ? it.video : it.audio;
  return "application/octet-stream";
}

} // namespace vp::media
