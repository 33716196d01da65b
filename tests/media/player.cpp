#include "player.hpp"

#include "media/av.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace av = vp::media;

namespace player {

namespace {

using view = std::span<const unsigned char>;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

void check(bool good, const char* what) {
  if (!good)
    fail(what);
}

/// Big-endian numbers out of a box.
class reader {
public:
  explicit reader(view data) : data_(data) {}

  std::uint32_t u32() {
    check(data_.size() >= 4, "a box is too short");
    const auto value = static_cast<std::uint32_t>(data_[0]) << 24 | static_cast<std::uint32_t>(data_[1]) << 16
                       | static_cast<std::uint32_t>(data_[2]) << 8 | data_[3];
    data_ = data_.subspan(4);
    return value;
  }

  std::uint64_t u64() {
    const std::uint64_t high = u32();
    return high << 32 | u32();
  }

  void skip(std::size_t count) {
    check(data_.size() >= count, "a box is too short");
    data_ = data_.subspan(count);
  }

  bool empty() const { return data_.empty(); }

private:
  view data_;
};

struct box {
  std::string type;
  view content;
  std::size_t offset = 0; ///< of the box, in what it is in
};

std::vector<box> boxes(view data) {
  std::vector<box> out;
  std::size_t at = 0;
  while (at < data.size()) {
    reader head(data.subspan(at));
    const auto size = head.u32();
    check(size >= 8 && size <= data.size() - at, "a box has a wrong size");
    out.push_back({std::string(data.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                               data.begin() + static_cast<std::ptrdiff_t>(at) + 8),
                   data.subspan(at + 8, size - 8), at});
    at += size;
  }
  return out;
}

/// The codec's parameters as libavformat reads them out of an init segment.
av::codec_parameters parameters_of(view init) {
  struct memory {
    view data;
    std::size_t at = 0;
  } memory{init};
  const auto read = [](void* opaque, std::uint8_t* into, int size) -> int {
    auto& m = *static_cast<struct memory*>(opaque);
    const auto count = std::min(m.data.size() - m.at, static_cast<std::size_t>(size));
    if (count == 0)
      return AVERROR_EOF;
    std::memcpy(into, m.data.data() + m.at, count);
    m.at += count;
    return static_cast<int>(count);
  };
  const av::io_context io(
      avio_alloc_context(static_cast<unsigned char*>(av_malloc(4096)), 4096, 0, &memory, read, nullptr, nullptr));
  auto* raw = avformat_alloc_context();
  raw->pb = io.get();
  check(avformat_open_input(&raw, "", av_find_input_format("mp4"), nullptr) >= 0, "the init segment does not open");
  const av::input_context input(raw);
  check(input->nb_streams == 1, "the init segment has not one track");
  av::codec_parameters out(avcodec_parameters_alloc());
  check(avcodec_parameters_copy(out.get(), input->streams[0]->codecpar) >= 0, "no memory");
  return out;
}

av::codec_context open_decoder(view init, std::uint32_t timescale) {
  const auto parameters = parameters_of(init);
  const auto* codec = avcodec_find_decoder(parameters->codec_id);
  av::codec_context context(avcodec_alloc_context3(codec));
  check(context && avcodec_parameters_to_context(context.get(), parameters.get()) >= 0, "no decoder");
  context->pkt_timebase = {1, static_cast<int>(timescale)};
  context->thread_count = 1;
  context->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER;
  check(avcodec_open2(context.get(), codec, nullptr) >= 0, "the decoder does not open");
  return context;
}

void send(AVCodecContext& decoder, const sample& s) {
  const auto packet = av::make_packet();
  check(av_new_packet(packet.get(), static_cast<int>(s.data.size())) >= 0, "no memory");
  std::memcpy(packet->data, s.data.data(), s.data.size());
  packet->pts = s.pts;
  packet->dts = s.dts;
  packet->duration = s.duration;
  packet->flags = s.key ? AV_PKT_FLAG_KEY : 0;
  check(avcodec_send_packet(&decoder, packet.get()) >= 0, "the decoder refuses a packet");
}

bytes plane(const AVFrame& frame, int index, int width, int height) {
  bytes out;
  out.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  for (int row = 0; row < height; ++row) {
    const auto* line = frame.data[index] + static_cast<std::ptrdiff_t>(row) * frame.linesize[index];
    out.insert(out.end(), line, line + width);
  }
  return out;
}

/// The mean of a small square around a point that is given in parts of the picture.
double mean(const bytes& plane, int width, int height, double x, double y) {
  const int radius = std::max(1, std::min(width, height) / 40);
  const int centre_x = static_cast<int>(x * width), centre_y = static_cast<int>(y * height);
  double sum = 0;
  int count = 0;
  for (int row = std::max(0, centre_y - radius); row <= std::min(height - 1, centre_y + radius); ++row)
    for (int column = std::max(0, centre_x - radius); column <= std::min(width - 1, centre_x + radius); ++column) {
      sum += plane[static_cast<std::size_t>(row) * static_cast<std::size_t>(width) + static_cast<std::size_t>(column)];
      ++count;
    }
  return sum / count;
}

} // namespace

std::int64_t fragment::end() const {
  auto at = start;
  for (const auto& s : samples)
    at += s.duration;
  return at;
}

fragment parse(view data) {
  const auto top = boxes(data);
  check(top.size() == 3 && top[0].type == "styp" && top[1].type == "moof" && top[2].type == "mdat",
        "a fragment is not styp moof mdat");
  const auto moof = boxes(top[1].content);
  check(moof.size() == 2 && moof[0].type == "mfhd" && moof[1].type == "traf", "a moof is not mfhd traf");
  const auto traf = boxes(moof[1].content);
  check(traf.size() == 3 && traf[0].type == "tfhd" && traf[1].type == "tfdt" && traf[2].type == "trun",
        "a traf is not tfhd tfdt trun");

  fragment out;
  reader mfhd(moof[0].content);
  mfhd.skip(4);
  out.sequence = mfhd.u32();

  reader tfhd(traf[0].content);
  const auto tfhd_flags = tfhd.u32() & 0xffffff;
  check(tfhd_flags & 0x020000, "offsets do not count from the moof");
  check(tfhd.u32() == 1, "not track 1");
  check(!(tfhd_flags & 0x13), "tfhd says what CMAF does not allow, or we do not read");
  const auto default_duration = tfhd_flags & 0x08 ? tfhd.u32() : 0;
  const auto default_flags = tfhd_flags & 0x20 ? tfhd.u32() : 0;
  check(tfhd.empty(), "tfhd is too long");

  reader tfdt(traf[1].content);
  check(tfdt.u32() >> 24 == 1, "tfdt is not version 1");
  out.start = static_cast<std::int64_t>(tfdt.u64());

  reader trun(traf[2].content);
  const auto trun_head = trun.u32();
  const auto trun_flags = trun_head & 0xffffff;
  check(trun_head >> 24 == 1, "trun is not version 1");
  const auto count = trun.u32();
  check(trun_flags & 0x01, "trun has no data offset");
  std::size_t offset = top[1].offset + trun.u32();
  check(offset == top[2].offset + 8, "the data offset is not that of the mdat");
  auto dts = out.start;
  for (std::uint32_t i = 0; i < count; ++i) {
    sample s;
    s.duration = trun_flags & 0x100 ? trun.u32() : default_duration;
    const auto size = trun.u32();
    const auto flags = trun_flags & 0x400 ? trun.u32() : default_flags;
    const auto composition = trun_flags & 0x800 ? static_cast<std::int32_t>(trun.u32()) : 0;
    s.key = !(flags & 0x10000);
    s.dts = dts;
    s.pts = dts + composition;
    check(size <= data.size() - offset, "a sample lies outside the mdat");
    s.data = data.subspan(offset, size);
    offset += size;
    dts += s.duration;
    out.samples.push_back(s);
  }
  check(trun.empty(), "trun is too long");
  check(offset == data.size(), "the mdat is longer than its samples");
  check(!out.samples.empty() && out.samples.front().key, "a fragment does not begin with a sync sample");
  return out;
}

view find_box(view data, const std::string& path) {
  const auto slash = path.find('/');
  const auto type = path.substr(0, slash);
  for (const auto& b : boxes(data))
    if (b.type == type)
      return slash == std::string::npos ? b.content : find_box(b.content, path.substr(slash + 1));
  return {};
}

std::uint32_t timescale(view init) {
  reader mdhd(find_box(init, "moov/trak/mdia/mdhd"));
  mdhd.skip(mdhd.u32() >> 24 == 1 ? 16 : 8);
  return mdhd.u32();
}

std::vector<picture> decode_video(view init, const fragment& fragment) {
  const auto decoder = open_decoder(init, timescale(init));
  std::vector<picture> out;
  const auto frame = av::make_frame();
  const auto receive = [&] {
    int code = 0;
    while ((code = avcodec_receive_frame(decoder.get(), frame.get())) >= 0) {
      check(!(frame->flags & AV_FRAME_FLAG_CORRUPT) && frame->decode_error_flags == 0, "a damaged picture");
      check(frame->format == AV_PIX_FMT_YUV420P, "a picture is not 8-bit 4:2:0");
      const int w = frame->width, h = frame->height;
      out.push_back({frame->pts, w, h, plane(*frame, 0, w, h), plane(*frame, 1, (w + 1) / 2, (h + 1) / 2),
                     plane(*frame, 2, (w + 1) / 2, (h + 1) / 2)});
    }
    check(code == AVERROR(EAGAIN) || code == AVERROR_EOF, "an error of the decoder");
  };
  for (const auto& s : fragment.samples) {
    send(*decoder, s);
    receive();
  }
  avcodec_send_packet(decoder.get(), nullptr);
  receive();
  check(out.size() == fragment.samples.size(), "not every sample is a picture");
  return out;
}

int frame_number(const picture& picture) {
  int number = 0;
  for (int bit = 0; bit < 12; ++bit)
    if (mean(picture.y, picture.width, picture.height, (3.5 + bit % 6) / 12, (1.5 + bit / 6) / 4) > 128)
      number |= 1 << bit;
  return number;
}

std::string corners(const picture& picture) {
  std::string out;
  constexpr double places[][2] = {{1, 1}, {11, 1}, {11, 11}, {1, 11}};
  for (const auto& [x, y] : places) {
    const int w = (picture.width + 1) / 2, h = (picture.height + 1) / 2;
    const auto u = mean(picture.u, w, h, x / 12, y / 12) - 128, v = mean(picture.v, w, h, x / 12, y / 12) - 128;
    if (u > 40)
      out += 'b';
    else if (v > 40)
      out += 'r';
    else if (u < -25 && v < -25)
      out += 'g';
    else
      out += mean(picture.y, picture.width, picture.height, x / 12, y / 12) > 200 ? 'w' : '?';
  }
  return out;
}

stereo decode_audio(view init, std::span<const fragment> fragments) {
  const auto decoder = open_decoder(init, timescale(init));
  stereo out;
  const auto frame = av::make_frame();
  const auto receive = [&] {
    int code = 0;
    while ((code = avcodec_receive_frame(decoder.get(), frame.get())) >= 0) {
      check(frame->format == AV_SAMPLE_FMT_FLTP && frame->ch_layout.nb_channels == 2, "the audio is not stereo");
      check(frame->sample_rate == 48000, "the audio is not 48 kHz");
      for (std::size_t channel = 0; channel < 2; ++channel) {
        const auto* samples = reinterpret_cast<const float*>(frame->extended_data[channel]);
        out[channel].insert(out[channel].end(), samples, samples + frame->nb_samples);
      }
    }
    check(code == AVERROR(EAGAIN) || code == AVERROR_EOF, "an error of the decoder");
  };
  for (const auto& f : fragments)
    for (const auto& s : f.samples) {
      send(*decoder, s);
      receive();
    }
  avcodec_send_packet(decoder.get(), nullptr);
  receive();
  return out;
}

} // namespace player
