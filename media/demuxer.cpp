#include "media/demuxer.hpp"

#include "media/container.hpp"
#include "media/log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

namespace vp::media {

namespace {

constexpr int io_buffer_size = 64 << 10;

struct known_format {
  const char* ffmpeg; ///< the first of the demuxer's names
  const char* name;   ///< ours
};

/// The demuxers that an upload may reach. Any that reads other files or addresses must never be among them.
constexpr known_format formats[] = {
    {"mov", "mov"},   {"matroska", "matroska"}, {"mpegts", "mpegts"}, {"mpeg", "mpeg"}, {"avi", "avi"},  {"ogg", "ogg"},
    {"flv", "flv"},   {"asf", "asf"},           {"mp3", "mp3"},       {"aac", "aac"},   {"wav", "wav"},  {"w64", "w64"},
    {"flac", "flac"}, {"aiff", "aiff"},         {"caf", "caf"},       {"ac3", "ac3"},   {"eac3", "eac3"}};

/// Files that are a list of other files or addresses.
constexpr std::string_view lists[] = {"hls", "dash", "concat", "sdp", "rtsp", "imf", "webm_dash_manifest"};

std::string_view first_name(const AVInputFormat& format) {
  const std::string_view names(format.name);
  return names.substr(0, names.find(','));
}

constexpr const char* encrypted = "the file is encrypted, so it cannot be played here";

bool is_encrypted(const AVStream& stream) {
  constexpr unsigned tags[] = {MKTAG('e', 'n', 'c', 'v'), MKTAG('e', 'n', 'c', 'a'), MKTAG('d', 'r', 'm', 's'),
                               MKTAG('d', 'r', 'm', 'i'), MKTAG('d', 'r', 'm', 't')};
  return std::find(std::begin(tags), std::end(tags), stream.codecpar->codec_tag) != std::end(tags)
         || av_stream_get_side_data(&stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, nullptr)
         || av_dict_get(stream.metadata, "enc_key_id", nullptr, 0);
}

bool too_large(const AVCodecParameters& parameters) {
  return parameters.width > source_limits::side || parameters.height > source_limits::side
         || static_cast<std::int64_t>(parameters.width) * parameters.height > source_limits::pixels;
}

/// How long a sample of sound lasts, rounded down; 0 where the codec does not say.
std::int64_t duration_by_codec(const AVStream& track, int size) {
  const int samples = av_get_audio_frame_duration2(track.codecpar, size);
  return samples > 0 && track.codecpar->sample_rate > 0
             ? av_rescale_q_rnd(samples, {1, track.codecpar->sample_rate}, track.time_base, AV_ROUND_DOWN)
             : 0;
}

} // namespace

// -- what FFmpeg calls ------------------------------------------------------------------------------------------------

int demuxer::on_read(void* self, std::uint8_t* buffer, int size) {
  auto& me = *static_cast<demuxer*>(self);
  if (me.interrupted())
    return AVERROR_EXIT;
  const auto got = me.source_.read(me.position_, std::span(buffer, static_cast<std::size_t>(size)));
  if (!got) {
    me.read_error_ = got.error();
    return AVERROR(EIO);
  }
  if (*got == 0)
    return AVERROR_EOF;
  me.position_ += *got;
  return static_cast<int>(*got);
}

std::int64_t demuxer::on_seek(void* self, std::int64_t offset, int whence) {
  auto& me = *static_cast<demuxer*>(self);
  const auto size = static_cast<std::int64_t>(me.source_.size());
  if (whence & AVSEEK_SIZE)
    return size;
  switch (whence & ~AVSEEK_FORCE) {
  case SEEK_SET:
    break;
  case SEEK_CUR:
    offset += static_cast<std::int64_t>(me.position_);
    break;
  case SEEK_END:
    offset += size;
    break;
  default:
    return AVERROR(EINVAL);
  }
  if (offset < 0)
    return AVERROR(EINVAL);
  me.position_ = static_cast<std::uint64_t>(offset);
  return offset;
}

int demuxer::on_interrupt(void* self) {
  return static_cast<demuxer*>(self)->interrupted() ? 1 : 0;
}

int demuxer::on_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EACCES);
}

bool demuxer::interrupted() const {
  return stop_.raised() || interrupt::clock::now() >= call_ends_;
}

void demuxer::begin_call() {
  call_ends_ = interrupt::clock::now() + source_limits::one_call;
}

/// The reason behind FFmpeg's: ours where we ended the call ourselves.
error demuxer::explain(int averror, errc code, std::string_view what) const {
  if (read_error_.code != errc::none)
    return read_error_;
  if (stop_.raised())
    return stop_.why();
  if (interrupt::clock::now() >= call_ends_)
    return {errc::timed_out, "reading the file took too long"};
  return av_error(code, averror, what);
}

// -- opening ----------------------------------------------------------------------------------------------------------

demuxer::~demuxer() = default;

result<std::unique_ptr<demuxer>> demuxer::open(byte_source& source, const interrupt& stop) {
  capture_av_log();
  std::unique_ptr<demuxer> self(new demuxer(source, stop));
  self->begin_call();
  for (auto step : {&demuxer::recognise, &demuxer::open_container, &demuxer::learn_streams, &demuxer::check_streams,
                    &demuxer::check_index})
    if (auto done = (self.get()->*step)(); !done)
      return tl::unexpected(done.error());
  return self;
}

result<std::unique_ptr<demuxer>> demuxer::open_times(byte_source& source, const demuxer& real) {
  std::unique_ptr<demuxer> self(new demuxer(source, real.stop_));
  self->begin_call();
  for (auto step : {&demuxer::recognise, &demuxer::open_container})
    if (auto done = (self.get()->*step)(); !done)
      return tl::unexpected(done.error());
  if (!self->has_times_of(real))
    return fail(errc::broken_media, "the index is not what it seems");
  self->format_->start_time = real.format_->start_time;
  // FFmpeg gives a length to packets that have none, by what it has found out of their stream.
  self->format_->flags |= AVFMT_FLAG_NOPARSE;
  for (unsigned i = 0; i < self->format_->nb_streams; ++i) {
    auto& stream = *self->format_->streams[i];
    stream.r_frame_rate = real.format_->streams[i]->r_frame_rate;
    stream.avg_frame_rate = real.format_->streams[i]->avg_frame_rate;
    if (avcodec_parameters_copy(stream.codecpar, real.format_->streams[i]->codecpar) < 0)
      throw std::bad_alloc();
  }
  return self;
}

/// Whether both indexes have the same entries, but for where and how large they are.
bool demuxer::has_times_of(const demuxer& real) const {
  constexpr int largest_sample = 1 << 20;
  if (name_ != "mov" || real.name_ != "mov" || format_->nb_streams != real.format_->nb_streams)
    return false;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    auto* mine = format_->streams[i];
    auto* other = real.format_->streams[i];
    const int entries = avformat_index_get_entries_count(mine);
    if (mine->id != other->id || av_cmp_q(mine->time_base, other->time_base) != 0
        || entries != avformat_index_get_entries_count(other))
      return false;
    for (int e = 0; e < entries; ++e) {
      const auto* one = avformat_index_get_entry(mine, e);
      const auto* two = avformat_index_get_entry(other, e);
      if (one->timestamp != two->timestamp || one->flags != two->flags || one->size > largest_sample)
        return false;
    }
  }
  return true;
}

result<void> demuxer::recognise() {
  if (source_.size() == 0)
    return fail(errc::broken_media, "the file is empty");
  auto* buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  if (!buffer)
    throw std::bad_alloc();
  io_.reset(avio_alloc_context(buffer, io_buffer_size, 0, this, on_read, nullptr, on_seek));
  if (!io_)
    throw std::bad_alloc();

  if (const int r = av_probe_input_buffer2(io_.get(), &input_, "", nullptr, 0, 0); r < 0)
    return tl::unexpected(r == AVERROR_INVALIDDATA
                              ? error{errc::unsupported_media, "this is not a video or audio file of a known kind"}
                              : explain(r, errc::broken_media, "reading the file"));
  const auto name = first_name(*input_);
  if (std::find(std::begin(lists), std::end(lists), name) != std::end(lists))
    return fail(errc::unsupported_media, "this is a playlist or description that refers to other files, not a video");
  for (const auto& format : formats)
    if (name == format.ffmpeg)
      name_ = format.name;
  if (name_.empty())
    return fail(errc::unsupported_media, fmt::format("files of the kind '{}' are not supported", input_->long_name));
  return {};
}

result<void> demuxer::open_container() {
  auto* context = avformat_alloc_context();
  if (!context)
    throw std::bad_alloc();
  context->pb = io_.get();
  context->flags |= AVFMT_FLAG_CUSTOM_IO;
  context->io_open = on_open;
  context->interrupt_callback = {on_interrupt, this};
  context->max_streams = source_limits::streams;
  context->probesize = source_limits::probe_bytes;
  context->skip_estimate_duration_from_pts = 1; // the packets tell, and a file that still arrives has no tail

  dictionary options;
  options.set("format_whitelist", input_->name);
  options.set("protocol_whitelist", "none");
  if (name_ == "mov") {
    options.set("enable_drefs", 0);
    options.set("use_absolute_path", 0);
    options.set("ignore_chapters", 1); // which may be anywhere in the file
  }
  int r = avformat_open_input(&context, "", input_, options.out()); // frees the context where it fails
  format_.reset(context);
  if (r < 0) {
    auto why = explain(r, errc::broken_media, "the file is damaged");
    if (why.code == errc::broken_media && name_ == "mov" && !has_top_level_box(source_, "moov"))
      return fail(errc::broken_media, "the file's index (moov) is missing: it is cut off, or was never finished");
    return tl::unexpected(std::move(why));
  }
  // Sizes that a header claims are looked at before any decoder is opened to find out the rest.
  for (unsigned i = 0; i < format_->nb_streams; ++i)
    if (too_large(*format_->streams[i]->codecpar))
      return fail(errc::unsupported_media,
                  fmt::format("the picture is {} x {}, which is too large", format_->streams[i]->codecpar->width,
                              format_->streams[i]->codecpar->height));
  return {};
}

result<void> demuxer::learn_streams() {
  begin_call();
  std::vector<AVDictionary*> per_stream(format_->nb_streams);
  for (auto*& limits : per_stream) {
    av_dict_set_int(&limits, "max_pixels", source_limits::pixels, 0);
    av_dict_set_int(&limits, "threads", 1, 0);
  }
  const int r = avformat_find_stream_info(format_.get(), per_stream.data());
  for (auto*& left_over : per_stream)
    av_dict_free(&left_over);
  if (r < 0 || read_error_.code != errc::none || interrupted())
    return tl::unexpected(explain(r, errc::broken_media, "the file is damaged"));
  return {};
}

result<void> demuxer::check_streams() {
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    const auto& stream = *format_->streams[i];
    const auto& parameters = *stream.codecpar;
    if (parameters.codec_type != AVMEDIA_TYPE_VIDEO && parameters.codec_type != AVMEDIA_TYPE_AUDIO)
      continue;
    if (is_encrypted(stream))
      return fail(errc::unsupported_media, encrypted);
    if (too_large(parameters))
      return fail(errc::unsupported_media,
                  fmt::format("the picture is {} x {}, which is too large", parameters.width, parameters.height));
  }
  const int video = best_video();
  if (video < 0 && best_audio(-1) < 0)
    return fail(errc::unsupported_media, "the file has neither video nor audio");
  for (const int index : {video, best_audio(video)})
    if (index >= 0 && !avcodec_find_decoder(format_->streams[index]->codecpar->codec_id))
      return fail(errc::unsupported_media,
                  fmt::format("there is no decoder for the {} track's codec ('{}')", index == video ? "video" : "audio",
                              avcodec_get_name(format_->streams[index]->codecpar->codec_id)));
  return {};
}

/// An MP4's index that names bytes beyond the end: the file was cut off, and what is missing may be most of it. Other
/// containers are played as far as they go.
result<void> demuxer::check_index() {
  if (name_ != "mov")
    return {};
  const auto size = static_cast<std::int64_t>(source_.size());
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    auto* stream = format_->streams[i];
    const int entries = avformat_index_get_entries_count(stream);
    std::int64_t end = 0;
    for (int e = 0; e < entries; ++e)
      if (const auto* entry = avformat_index_get_entry(stream, e))
        end = std::max(end, entry->pos + entry->size);
    if (end > size)
      return fail(errc::broken_media,
                  fmt::format("the file is cut off: its index names {} bytes, and {} are there", end, size));
  }
  return {};
}

// -- streams ----------------------------------------------------------------------------------------------------------

int demuxer::best_video() const noexcept {
  int best = -1;
  std::int64_t best_score = -1;
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    const auto& stream = *format_->streams[i];
    if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO
        || stream.disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS))
      continue;
    std::int64_t score = static_cast<std::int64_t>(stream.codecpar->width) * stream.codecpar->height;
    if (stream.disposition & AV_DISPOSITION_DEFAULT)
      score += source_limits::pixels;
    if (score > best_score) {
      best = static_cast<int>(i);
      best_score = score;
    }
  }
  return best;
}

int demuxer::best_audio(int video) const noexcept {
  return std::max(-1, av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, video, nullptr, 0));
}

bool demuxer::has_decoding_times_only(int stream) const noexcept {
  const auto& parameters = *format_->streams[stream]->codecpar;
  if (parameters.codec_type != AVMEDIA_TYPE_VIDEO)
    return false;
  // Matroska tracks in the manner of Video for Windows are the ones that name their codec with four characters.
  return name_ == "avi" || name_ == "asf" || (name_ == "matroska" && parameters.codec_tag != 0);
}

void demuxer::select(std::span<const int> streams) noexcept {
  for (unsigned i = 0; i < format_->nb_streams; ++i)
    format_->streams[i]->discard = std::find(streams.begin(), streams.end(), static_cast<int>(i)) == streams.end()
                                       ? AVDISCARD_ALL
                                       : AVDISCARD_DEFAULT;
}

// -- reading ----------------------------------------------------------------------------------------------------------

result<bool> demuxer::read(AVPacket& packet) {
  begin_call();
  for (;;) {
    av_packet_unref(&packet);
    if (auto timed = untimed_.pop(ended_)) {
      av_packet_move_ref(&packet, timed.get());
      return true;
    }
    if (ended_)
      return false;
    auto more = read_stored(packet);
    if (!more)
      return more;
    if (!*more) {
      ended_ = true;
      continue;
    }
    const auto& stream = *format_->streams[packet.stream_index];
    // A packet without bytes would tell a decoder that the stream has ended.
    if (stream.discard == AVDISCARD_ALL || packet.size == 0)
      continue;
    if (auto done = check_times(packet); !done)
      return tl::unexpected(done.error());
    const bool video = stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    if (has_decoding_times_only(packet.stream_index) || (!video && packet.pts == no_pts))
      packet.pts = packet.dts;
    if (!video || (packet.pts != no_pts && untimed_.empty()))
      return true;
    auto waiting = make_packet();
    av_packet_move_ref(waiting.get(), &packet);
    untimed_.push(std::move(waiting));
  }
}

result<bool> demuxer::read_stored(AVPacket& packet) {
  for (;;) {
    const int r = av_read_frame(format_.get(), &packet);
    if (read_error_.code != errc::none || r == AVERROR_EXIT || stop_.raised())
      return tl::unexpected(explain(r, errc::broken_media, "reading the file"));
    if (r == AVERROR(EAGAIN))
      continue;
    if (r < 0) {
      damaged_ = damaged_ || r != AVERROR_EOF;
      return false;
    }
    if (av_packet_get_side_data(&packet, AV_PKT_DATA_ENCRYPTION_INFO, nullptr))
      return fail(errc::unsupported_media, encrypted);
    return true;
  }
}

result<void> demuxer::read_index(int stream, const std::function<void(const AVPacket&)>& visit) {
  auto* track = format_->streams[stream];
  auto sample = make_packet();
  sample->stream_index = stream;
  const int count = avformat_index_get_entries_count(track);
  for (int i = 0; i < count; ++i) {
    const auto& entry = *avformat_index_get_entry(track, i);
    const auto end = i + 1 < count ? avformat_index_get_entry(track, i + 1)->timestamp : track->duration;
    sample->pts = sample->dts = entry.timestamp;
    sample->size = entry.size;
    // The last one's is that of its codec where the track claims to end before it, as one does that begins late.
    sample->duration = end > entry.timestamp ? end - entry.timestamp : duration_by_codec(*track, entry.size);
    if (stop_.raised())
      return tl::unexpected(stop_.why());
    if (auto done = check_times(*sample); !done)
      return done;
    visit(*sample);
  }
  return {};
}

/// One packet with a time far away would make a timeline of that length.
result<void> demuxer::check_times(const AVPacket& packet) const {
  constexpr auto longest = std::chrono::duration<double>(source_limits::duration).count();
  constexpr auto latest = std::chrono::duration<double>(source_limits::start).count();
  const auto unit = av_q2d(format_->streams[packet.stream_index]->time_base);
  const auto start = format_->start_time == no_pts ? 0.0 : static_cast<double>(format_->start_time) / AV_TIME_BASE;
  const auto length = static_cast<double>(packet.duration) * unit;
  const auto far = [&](std::int64_t time) {
    const auto from_start = static_cast<double>(time) * unit - start;
    return time != no_pts && (std::abs(from_start) > longest || from_start + length > longest);
  };
  if (std::abs(start) > latest || std::abs(length) > longest || far(packet.pts) || far(packet.dts))
    return fail(errc::broken_media, "the file's timestamps claim that it lasts longer than 100 hours");
  return {};
}

void demuxer::begin_seek() {
  begin_call();
  untimed_.clear();
  ended_ = false;
}

result<void> demuxer::seek(int stream, std::int64_t pts) {
  begin_seek();
  constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
  constexpr auto highest = std::numeric_limits<std::int64_t>::max();
  int r = avformat_seek_file(format_.get(), stream, lowest, pts, pts, 0);
  if (r < 0) // nothing there that early: the start, which some containers only know as byte 0
    r = avformat_seek_file(format_.get(), stream, lowest, pts, highest, 0);
  if (r < 0)
    r = avformat_seek_file(format_.get(), -1, lowest, 0, highest, AVSEEK_FLAG_BYTE);
  if (r < 0 || read_error_.code != errc::none || stop_.raised())
    return tl::unexpected(explain(r, errc::broken_media, "seeking in the file"));
  return {};
}

result<void> demuxer::seek_byte(std::int64_t offset) {
  begin_seek();
  const int r = av_seek_frame(format_.get(), -1, offset, AVSEEK_FLAG_BYTE);
  if (r < 0 || read_error_.code != errc::none || stop_.raised())
    return tl::unexpected(explain(r, errc::broken_media, "seeking in the file"));
  return {};
}

} // namespace vp::media
