#include "media/mp4.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace vp::media {

namespace {

constexpr int nal_sei = 6;
constexpr int nal_sps = 7;
constexpr int nal_aud = 9;

/// Boxes into a vector, big-endian. A box is closed by the end of its block.
class box_writer {
public:
  explicit box_writer(std::vector<unsigned char>& out) : out_(out) {}

  class box {
  public:
    box(box_writer& writer, std::string_view type) : writer_(writer), start_(writer.size()) {
      writer_.u32(0);
      writer_.text(type);
    }
    box(const box&) = delete;
    box& operator=(const box&) = delete;
    ~box() { writer_.patch(start_, static_cast<std::uint32_t>(writer_.size() - start_)); }

  private:
    box_writer& writer_;
    std::size_t start_;
  };

  std::size_t size() const { return out_.size(); }

  void u32(std::uint32_t value) {
    out_.resize(out_.size() + 4);
    patch(out_.size() - 4, value);
  }

  void u64(std::uint64_t value) {
    u32(static_cast<std::uint32_t>(value >> 32));
    u32(static_cast<std::uint32_t>(value));
  }

  void text(std::string_view four) { out_.insert(out_.end(), four.begin(), four.end()); }

  void patch(std::size_t at, std::uint32_t value) {
    for (int i = 0; i < 4; ++i)
      out_[at + static_cast<std::size_t>(i)] = static_cast<unsigned char>(value >> (24 - 8 * i));
  }

private:
  std::vector<unsigned char>& out_;
};

/// A full box's first word: version and flags.
constexpr std::uint32_t version_flags(std::uint32_t version, std::uint32_t flags) {
  return version << 24 | flags;
}

/// ISO/IEC 14496-12 8.8.3.1: a picture that others depend on and that depends on none; one that depends and is no sync
/// sample.
constexpr std::uint32_t sample_flags(bool key) {
  return key ? 0x02000000 : 0x01010000;
}

/// Where the next start code begins, and where the NAL unit before it ends.
std::size_t find_start_code(std::span<const unsigned char> data, std::size_t from) {
  static constexpr std::array<unsigned char, 3> code{0, 0, 1};
  return static_cast<std::size_t>(
      std::search(data.begin() + static_cast<std::ptrdiff_t>(from), data.end(), code.begin(), code.end())
      - data.begin());
}

template <class F>
void for_each_nal(std::span<const unsigned char> data, F f) {
  auto start = find_start_code(data, 0);
  while (start < data.size()) {
    const auto begin = start + 3;
    start = find_start_code(data, begin);
    auto end = start;
    while (end > begin && data[end - 1] == 0) // trailing zeros belong to the next start code or to nobody
      --end;
    if (end > begin)
      f(data.subspan(begin, end - begin));
  }
}

std::span<const unsigned char> extradata(const AVCodecParameters& parameters) {
  return {parameters.extradata, static_cast<std::size_t>(std::max(parameters.extradata_size, 0))};
}

std::string avc_codecs(const AVCodecParameters& parameters) {
  const auto extra = extradata(parameters);
  std::span<const unsigned char> profile; // profile_idc, constraint flags, level_idc
  if (!is_annex_b(parameters)) {
    if (extra.size() >= 4)
      profile = extra.subspan(1, 3);
  } else {
    for_each_nal(extra, [&](std::span<const unsigned char> nal) {
      if ((nal[0] & 31) == nal_sps && nal.size() >= 4 && profile.empty())
        profile = nal.subspan(1, 3);
    });
  }
  return profile.empty() ? std::string{} : fmt::format("avc1.{:02x}{:02x}{:02x}", profile[0], profile[1], profile[2]);
}

std::string aac_codecs(const AVCodecParameters& parameters) {
  // AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) begins with five bits of object type, 31 being an escape.
  const auto extra = extradata(parameters);
  int type = extra.empty() ? 2 : extra[0] >> 3;
  if (type == 31 && extra.size() >= 2)
    type = 32 + ((extra[0] & 7) << 3 | extra[1] >> 5);
  return fmt::format("mp4a.40.{}", type);
}

} // namespace

result<std::vector<unsigned char>> write_init_segment(const AVCodecParameters& parameters, std::uint32_t timescale) {
  const auto failed = [](int code) {
    return tl::unexpected(av_error(errc::encoder_failed, code, "writing an init segment"));
  };

  AVFormatContext* raw = nullptr;
  if (const int code = avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr); code < 0)
    return failed(code);
  const output_context muxer(raw);
  muxer->flags |= AVFMT_FLAG_BITEXACT;

  auto* stream = avformat_new_stream(muxer.get(), nullptr);
  if (!stream)
    return failed(AVERROR(ENOMEM));
  if (const int code = avcodec_parameters_copy(stream->codecpar, &parameters); code < 0)
    return failed(code);
  stream->codecpar->codec_tag = 0;       // libavformat chooses the one that belongs into an MP4
  stream->codecpar->initial_padding = 0; // fragments begin where they say, so there is nothing to skip
  stream->time_base = {1, static_cast<int>(timescale)};

  dictionary options;
  options.set("movflags", "frag_custom+empty_moov+default_base_moof+cmaf+skip_sidx+skip_trailer");
  options.set("use_editlist", "0");
  if (parameters.codec_type == AVMEDIA_TYPE_VIDEO)
    options.set("video_track_timescale", static_cast<std::int64_t>(timescale));

  if (const int code = avio_open_dyn_buf(&muxer->pb); code < 0)
    return failed(code);
  const int code = avformat_write_header(muxer.get(), options.out());
  std::uint8_t* buffer = nullptr;
  const int size = avio_close_dyn_buf(muxer->pb, &buffer);
  muxer->pb = nullptr;
  std::vector<unsigned char> bytes(buffer, buffer + size);
  av_free(buffer);

  if (code < 0)
    return failed(code);
  if (stream->time_base.num != 1 || stream->time_base.den != static_cast<int>(timescale))
    return fail(errc::encoder_failed, fmt::format("libavformat does not take a timescale of {}", timescale));
  return bytes;
}

result<void> set_decode_times(std::span<sample> samples, std::int64_t end) {
  std::vector<std::int64_t> shown;
  shown.reserve(samples.size());
  for (const auto& one : samples)
    shown.push_back(one.pts);
  std::sort(shown.begin(), shown.end());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    auto& one = samples[i];
    one.dts = shown[i];
    one.duration = (i + 1 < shown.size() ? shown[i + 1] : end) - shown[i];
    if (std::max(one.duration, std::abs(one.pts - one.dts)) > INT32_MAX)
      return fail(errc::encoder_failed, "the video's frames are too far apart");
  }
  return {};
}

std::span<const unsigned char> fragment_head() {
  static const std::vector<unsigned char> bytes = [] {
    std::vector<unsigned char> out;
    box_writer writer(out);
    {
      const box_writer::box styp(writer, "styp");
      writer.text("msdh"); // a DASH media segment (ISO/IEC 23009-1 6.3.4.2) that is also
      writer.u32(0);
      writer.text("msdh");
      writer.text("cmfs"); // a CMAF segment (ISO/IEC 23000-19 7.3.3.1)
    }
    return out;
  }();
  return bytes;
}

std::vector<unsigned char> write_fragment(std::span<const sample> samples, std::uint32_t sequence_number) {
  // What all samples have in common is said once in tfhd: for audio that leaves four bytes a sample.
  const auto& first = samples.front();
  const bool same = std::all_of(samples.begin(), samples.end(), [&](const sample& s) {
    return s.duration == first.duration && s.key == first.key && s.pts == s.dts;
  });
  std::size_t payload = 0;
  for (const auto& s : samples)
    payload += s.data.size();

  std::vector<unsigned char> out;
  out.reserve(payload + 160 + samples.size() * (same ? 4 : 16));
  const auto head = fragment_head();
  out.insert(out.end(), head.begin(), head.end());
  box_writer writer(out);
  const auto moof_start = writer.size();
  std::size_t data_offset_at = 0;
  {
    const box_writer::box moof(writer, "moof");
    {
      const box_writer::box mfhd(writer, "mfhd");
      writer.u32(0);
      writer.u32(sequence_number);
    }
    const box_writer::box traf(writer, "traf");
    {
      constexpr std::uint32_t default_base_is_moof = 0x020000, default_duration = 0x08, default_flags = 0x20;
      const box_writer::box tfhd(writer, "tfhd");
      writer.u32(version_flags(0, default_base_is_moof | (same ? default_duration | default_flags : 0)));
      writer.u32(1); // track
      if (same) {
        writer.u32(static_cast<std::uint32_t>(first.duration));
        writer.u32(sample_flags(first.key));
      }
    }
    {
      const box_writer::box tfdt(writer, "tfdt");
      writer.u32(version_flags(1, 0));
      writer.u64(static_cast<std::uint64_t>(first.dts));
    }
    {
      constexpr std::uint32_t data_offset = 0x01, duration = 0x100, size = 0x200, flags = 0x400, composition = 0x800;
      const box_writer::box trun(writer, "trun");
      writer.u32(version_flags(1, data_offset | size | (same ? 0 : duration | flags | composition)));
      writer.u32(static_cast<std::uint32_t>(samples.size()));
      data_offset_at = writer.size();
      writer.u32(0);
      for (const auto& s : samples) {
        if (!same)
          writer.u32(static_cast<std::uint32_t>(s.duration));
        writer.u32(static_cast<std::uint32_t>(s.data.size()));
        if (!same) {
          writer.u32(sample_flags(s.key));
          writer.u32(static_cast<std::uint32_t>(static_cast<std::int32_t>(s.pts - s.dts)));
        }
      }
    }
  }
  writer.patch(data_offset_at, static_cast<std::uint32_t>(writer.size() - moof_start + 8));
  {
    const box_writer::box mdat(writer, "mdat");
    for (const auto& s : samples)
      out.insert(out.end(), s.data.begin(), s.data.end());
  }
  return out;
}

bool is_annex_b(const AVCodecParameters& parameters) {
  const auto extra = extradata(parameters);
  return parameters.codec_id == AV_CODEC_ID_H264
         && (extra.empty() || extra[0] != 1); // an avcC box begins with version 1
}

std::vector<unsigned char> to_length_prefixed(std::span<const unsigned char> annex_b) {
  std::vector<unsigned char> out;
  out.reserve(annex_b.size() + 16);
  box_writer writer(out);
  for_each_nal(annex_b, [&](std::span<const unsigned char> nal) {
    const int type = nal[0] & 31;
    if (type == nal_sei || type == nal_aud)
      return;
    writer.u32(static_cast<std::uint32_t>(nal.size()));
    out.insert(out.end(), nal.begin(), nal.end());
  });
  return out;
}

std::string codecs_string(const AVCodecParameters& parameters) {
  switch (parameters.codec_id) {
  case AV_CODEC_ID_H264:
    return avc_codecs(parameters);
  case AV_CODEC_ID_AAC:
    return aac_codecs(parameters);
  default:
    return {};
  }
}

} // namespace vp::media
