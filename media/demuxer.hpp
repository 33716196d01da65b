#pragma once

#include "media/av.hpp"
#include "media/byte_source.hpp"
#include "media/interrupt.hpp"
#include "media/missing_times.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace vp::media {

/// What a source may claim before it is turned away.
struct source_limits {
  static constexpr std::int64_t pixels = 8192 * 4608;
  static constexpr int side = 16384;
  static constexpr int streams = 256;
  static constexpr std::int64_t probe_bytes = 8 << 20;
  static constexpr std::chrono::hours duration{100};         ///< between the first timestamp and the last
  static constexpr std::chrono::hours start{24 * 365 * 100}; ///< live recordings count from 1970
  static constexpr std::chrono::seconds one_call{60}; ///< of the time one call may read, besides the caller's own limit
};

/// Reads packets out of a file that somebody on the internet sent.
///
/// The container is recognised by its bytes alone and must be one of a list; nothing but `byte_source` is ever opened,
/// whatever the file refers to; sizes are looked at before a decoder sees them, and no packet comes whose times are so
/// far out that sums of them could overflow. A file is turned away with `unsupported_media` or `broken_media` and a
/// sentence for its uploader. Not for use by two threads at once.
class demuxer {
public:
  /// `source` must outlive the demuxer.
  static result<std::unique_ptr<demuxer>> open(byte_source& source, const interrupt& stop);

  /// The same for what `read_sample_times` made of the source of `real`: the streams are as they are known there, and
  /// what their packets carry is not looked at. Error: `broken_media` where it has not the same samples.
  static result<std::unique_ptr<demuxer>> open_times(byte_source& source, const demuxer& real);

  demuxer(const demuxer&) = delete;
  demuxer& operator=(const demuxer&) = delete;
  ~demuxer();

  AVFormatContext& format() noexcept { return *format_; }
  AVStream& stream(int index) noexcept { return *format_->streams[index]; }

  /// The container's name, such as `mov` or `matroska`.
  const std::string& format_name() const noexcept { return name_; }

  /// The stream a player would choose, or -1. A cover picture is no video.
  int best_video() const noexcept;
  int best_audio(int video) const noexcept;

  /// The container stores when a packet is to be decoded, but not when its picture is shown; then both are called the
  /// same.
  bool has_decoding_times_only(int stream) const noexcept;

  /// From here on only packets of these streams come.
  void select(std::span<const int> streams) noexcept;

  /// From here on `stop` is what ends a call early.
  void obey(const interrupt& stop) { stop_ = stop; }
  const interrupt& stop() const noexcept { return stop_; }

  /// The next packet of a selected stream, in the file's order. False at the end, and where the file is damaged so that
  /// nothing more can be read: `damaged()` tells which.
  result<bool> read(AVPacket& packet);

  /// Shows what `read` would of a stream of an MP4 or MOV whose samples are shown in the order in which they are
  /// decoded, but for their bytes. An hour of sound has more than 150,000; this way they take next to no time.
  result<void> read_index(int stream, const std::function<void(const AVPacket&)>& visit);

  /// Goes to a place from which the packets of `stream` at `pts` (in its time base) and before are found; to the start
  /// where there is no such place. How far before is the container's business.
  result<void> seek(int stream, std::int64_t pts);

  /// Goes to a byte where a packet begins, in a container that is nothing but packets. What follows has no timestamps.
  result<void> seek_byte(std::int64_t offset);

  /// What was read last is too broken to go on.
  bool damaged() const noexcept { return damaged_; }

private:
  demuxer(byte_source& source, interrupt stop) : source_(source), stop_(std::move(stop)) {}

  result<void> recognise();
  result<void> open_container();
  result<void> learn_streams();
  bool has_times_of(const demuxer& real) const;
  result<void> check_streams();
  result<void> check_index();
  result<void> check_times(const AVPacket& packet) const;
  error explain(int averror, errc code, std::string_view what) const;
  result<bool> read_stored(AVPacket& packet);
  void begin_call();
  void begin_seek();
  bool interrupted() const;

  static int on_read(void* self, std::uint8_t* buffer, int size);
  static std::int64_t on_seek(void* self, std::int64_t offset, int whence);
  static int on_interrupt(void* self);
  static int on_open(AVFormatContext* format, AVIOContext** io, const char* url, int flags, AVDictionary** options);

  byte_source& source_;
  interrupt stop_;
  interrupt::clock::time_point call_ends_{};
  std::uint64_t position_ = 0;
  error read_error_{errc::none, {}};
  bool damaged_ = false;
  bool ended_ = false;
  missing_times untimed_; ///< packets of the video that wait for their time
  std::string name_;
  const AVInputFormat* input_ = nullptr;
  io_context io_; // before format_, which reads through it until it is closed
  input_context format_;
};

} // namespace vp::media
