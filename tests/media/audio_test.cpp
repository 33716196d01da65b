#include "media/audio_clock.hpp"
#include "media/audio_encoder.hpp"
#include "media/demuxer.hpp"
#include "media/portable_math.hpp"

extern "C" {
#include <libavutil/cpu.h>
}

#include "clips.hpp"
#include "player.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <thread>

using namespace vp::media;

namespace {

constexpr double pi = std::numbers::pi;

/// What `analyze` finds out about the audio of a source, without the rest of it.
struct prepared {
  std::unique_ptr<byte_source> source;
  vp::media::plan plan;
  std::vector<segment> cells;
  std::vector<unsigned char> init;
};

/// Cells of 2, 2 and then 4 seconds, up to `seconds`.
std::vector<segment> cells_for(double seconds) {
  std::vector<segment> out;
  const auto frame_at = [](double t) { return std::llround(t * audio_sample_rate / audio_frame_size); };
  for (double start = 0; start < seconds;) {
    const double end = std::min(start + (start < 4 ? 2 : 4), seconds);
    segment cell;
    cell.number = static_cast<std::uint32_t>(out.size());
    cell.audio_start = frame_at(start);
    cell.audio_end = frame_at(end);
    out.push_back(cell);
    start = end;
  }
  return out;
}

prepared prepare(const std::filesystem::path& clip, double seconds) {
  prepared out;
  auto source = open_file(clip);
  REQUIRE(source);
  out.source = std::move(*source);
  const interrupt stop;
  auto input = demuxer::open(*out.source, stop);
  REQUIRE(input);
  auto& in = **input;
  const int video = in.best_video(), index = in.best_audio(video);
  REQUIRE(index >= 0);
  const auto& stream = in.stream(index);
  out.plan.source.start_time = in.format().start_time == no_pts ? 0 : in.format().start_time;
  out.plan.source.audio = {index, avcodec_get_name(stream.codecpar->codec_id), stream.codecpar->sample_rate,
                           stream.codecpar->ch_layout.nb_channels, to_rational(stream.time_base)};
  if (video >= 0) {
    out.plan.source.video.emplace();
    out.plan.source.video->index = video;
  }
  out.plan.renditions.push_back({"audio-0", "audio", media_kind::audio, "aac", 0, 0, audio_bitrate, "mp4a.40.2"});

  in.select(std::array{index});
  anchor_finder finder(stream, in.format_name());
  const auto packet = make_packet();
  for (auto more = in.read(*packet); more && *more; more = in.read(*packet))
    finder.add(*packet);
  out.plan.audio_anchors = finder.anchors(out.plan.source.start_time);
  out.cells = cells_for(seconds);
  const auto parameters = audio_parameters();
  REQUIRE(parameters);
  auto init = write_init_segment(**parameters, audio_sample_rate);
  REQUIRE(init);
  out.init = std::move(*init);
  return out;
}

std::vector<unsigned char> encoded(audio_encoder& encoder, const segment& cell) {
  auto made = encoder.encode(cell, interrupt(std::chrono::seconds(30)));
  if (!made)
    FAIL(made.error().text);
  CHECK(made->start == cell.audio_start * audio_frame_size);
  CHECK(made->duration == (cell.audio_end - cell.audio_start) * audio_frame_size);
  return std::move(made->bytes);
}

std::unique_ptr<audio_encoder> open(prepared& from) {
  auto encoder = audio_encoder::open(*from.source, from.plan);
  REQUIRE(encoder);
  return std::move(*encoder);
}

/// All fragments in order, by one encoder.
std::vector<std::vector<unsigned char>> all(prepared& from) {
  const auto encoder = open(from);
  std::vector<std::vector<unsigned char>> out;
  for (const auto& cell : from.cells)
    out.push_back(encoded(*encoder, cell));
  return out;
}

player::stereo play(const prepared& from, const std::vector<std::vector<unsigned char>>& fragments) {
  std::vector<player::fragment> parsed;
  for (const auto& bytes : fragments)
    parsed.push_back(player::parse(bytes));
  for (std::size_t i = 1; i < parsed.size(); ++i)
    CHECK(parsed[i].start == parsed[i - 1].end());
  return player::decode_audio(from.init, parsed);
}

/// A sine in a signal: `amplitude * sin(2 pi f t + phase)`.
struct tone {
  double amplitude = 0;
  double phase = 0;
};

tone find_tone(const std::vector<float>& signal, double frequency, std::size_t from, std::size_t to) {
  double in_phase = 0, quadrature = 0;
  for (std::size_t i = from; i < to; ++i) {
    const auto angle = 2 * pi * frequency * static_cast<double>(i) / audio_sample_rate;
    in_phase += signal[i] * std::sin(angle);
    quadrature += signal[i] * std::cos(angle);
  }
  const auto scale = 2 / static_cast<double>(to - from);
  return {std::hypot(in_phase, quadrature) * scale, std::atan2(quadrature, in_phase)};
}

/// The root mean square of what is left of a stretch when a tone of this frequency is taken out of it.
double residual(const std::vector<float>& signal, double frequency, const tone& taken, std::size_t from,
                std::size_t to) {
  double sum = 0;
  for (std::size_t i = from; i < to; ++i) {
    const auto angle = 2 * pi * frequency * static_cast<double>(i) / audio_sample_rate;
    const auto rest = signal[i] - taken.amplitude * std::sin(angle + taken.phase);
    sum += rest * rest;
  }
  return std::sqrt(sum / static_cast<double>(to - from));
}

/// A tone of this frequency goes through the whole signal with one phase, and nothing else is there.
/// `late` is how many seconds it may lie from where the source has it, `noise` the most that may be beside it anywhere.
void check_tone(const std::vector<float>& signal, double frequency, double late, double noise) {
  const std::size_t begin = audio_sample_rate / 2, end = signal.size() - audio_sample_rate / 2;
  const auto whole = find_tone(signal, frequency, begin, end);
  CHECK(whole.amplitude == Approx(0.25).epsilon(0.06)); // LAME takes some off
  CHECK(std::abs(whole.phase) / (2 * pi * frequency) < late);
  constexpr std::size_t window = 256;
  double worst = 0;
  for (auto at = begin; at + window < end; at += window / 2)
    worst = std::max(worst, residual(signal, frequency, whole, at, at + window));
  CHECK(worst < noise);
}

stereo read(audio_reader& reader, std::int64_t from, std::int64_t to) {
  auto samples = reader.read(from, to, interrupt(std::chrono::seconds(30)));
  REQUIRE(samples);
  return std::move(*samples);
}

/// The largest difference between the same stretch of two signals.
double difference(const std::vector<float>& x, const std::vector<float>& y, std::int64_t from, std::int64_t to) {
  double worst = 0;
  for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(x[i] - y[i])));
  return worst;
}

struct audio_format {
  const char* name;
  const char* arguments; ///< after the input
  int rate;
  double late;  ///< seconds by which the container and the encoder may shift the whole
  double noise; ///< what the source's own encoder adds
  double seam;  ///< what a decoder that starts elsewhere may make of the same samples
};

const auto audio_formats = std::vector<audio_format>{
    {"aac-48.mp4", "-c:a aac -b:a 192k", 48000, 0.0001, 0.01, 0.001},
    {"aac-44.mp4", "-c:a aac -b:a 192k", 44100, 0.0001, 0.01, 0.001},
    {"aac-44.mkv", "-c:a aac -b:a 192k", 44100, 0.001, 0.01, 0.001},
    {"aac-44.ts", "-c:a aac -b:a 192k -output_ts_offset 100", 44100, 0.025, 0.01,
     0.001}, // cannot say the encoder's delay
    {"aac.aac", "-c:a aac -b:a 192k", 44100, 0.025, 0.01, 0.001},
    {"aac.flv", "-c:a aac -b:a 192k", 44100, 0.025, 0.01, 0.001},
    {"vorbis.ogg", "-c:a libvorbis -q:a 7", 44100, 0.0001, 0.004, 0},
    {"vorbis.webm", "-c:a libvorbis -q:a 7", 44100, 0.0015, 0.004, 0},
    {"opus.webm", "-c:a libopus -b:a 192k", 48000, 0.0015, 0.004, 0.0003},
    {"opus.ogg", "-c:a libopus -b:a 192k", 48000, 0.0001, 0.004, 0.0003},
    {"vorbis.mp4", "-c:a libvorbis -q:a 7", 44100, 0.0001, 0.004, 0},
    {"opus.mp4", "-c:a libopus -b:a 192k", 48000, 0.0001, 0.004, 0.0003},
    {"cbr.mp3", "-c:a libmp3lame -b:a 128k", 44100, 0.0001, 0.004, 0},
    {"cbr-no-header.mp3", "-c:a libmp3lame -b:a 128k -write_xing 0", 44100, 0.03, 0.004, 0},
    {"vbr.mp3", "-c:a libmp3lame -q:a 2", 44100, 0.0001, 0.004, 0},
    {"mp3.avi", "-c:a libmp3lame -b:a 128k", 44100, 0.03, 0.004, 0},
    {"mp3.mkv", "-c:a libmp3lame -b:a 128k", 44100, 0.03, 0.004, 0},
    {"flac.flac", "-c:a flac", 44100, 0.0001, 0.0001, 0},
    {"flac.mp4", "-c:a flac -strict -2", 44100, 0.0001, 0.0001, 0},
    {"flac.mkv", "-c:a flac", 44100, 0.001, 0.0001, 0},
    {"pcm.wav", "-c:a pcm_s16le", 44100, 0.0001, 0.0001, 0},
    {"pcm.mkv", "-c:a pcm_s16le", 44100, 0.001, 0.0001, 0},
    {"pcm.mov", "-c:a pcm_s24le", 96000, 0.0001, 0.0001, 0},
    {"adpcm.wav", "-c:a adpcm_ms", 44100, 0.0001, 0.004, 0},
    {"alac.m4a", "-c:a alac", 44100, 0.0001, 0.0001, 0},
    {"ac3.mpg", "-c:a ac3 -b:a 256k", 44100, 0.007, 0.004, 0},
    {"ac3.ac3", "-c:a ac3 -b:a 256k", 48000, 0.007, 0.004, 0},
    {"odd-rate.wav", "-c:a pcm_s16le", 37800, 0.0001, 0.0001, 0},
    {"prime-rate.wav", "-c:a pcm_s16le", 44101, 0.0001, 0.0002, 0},
};

constexpr double tone_seconds = 9.5;

prepared tone_in(const audio_format& format) {
  const auto tones = clips::tones({440, 440}, format.rate, tone_seconds, "stereo");
  return prepare(clips::make(std::string("tone-") + format.name, "-f lavfi -i \"" + tones + "\" " + format.arguments),
                 tone_seconds);
}

} // namespace

TEST_CASE("audio is found to the sample, wherever reading begins") {
  for (const auto& format : audio_formats)
    DYNAMIC_SECTION(format.name) {
      auto source = tone_in(format);
      const auto end = source.cells.back().audio_end * audio_frame_size;
      audio_reader whole_reader(*source.source, source.plan);
      const auto whole = read(whole_reader, 0, end);
      for (const auto& channel : whole)
        check_tone(channel, 440, format.late, format.noise);

      // Pieces of odd sizes, the last first, each from a reader of its own or all from one.
      audio_reader kept(*source.source, source.plan);
      for (std::int64_t to = end, size = 99'991; to > 0; to -= size) {
        const auto from = std::max<std::int64_t>(0, to - size);
        audio_reader fresh(*source.source, source.plan);
        const auto piece = read(fresh, from, to);
        CHECK(read(kept, from, to) == piece);
        const std::vector<float> expected(whole[0].begin() + from, whole[0].begin() + to);
        CHECK(difference(piece[0], expected, 0, to - from) <= format.seam);
      }
    }
}

TEST_CASE("an audio segment's bytes depend on nothing that was encoded before") {
  for (const auto* name :
       {"aac-44.mp4", "aac-44.mkv", "aac-44.ts", "vorbis.webm", "opus.ogg", "cbr.mp3", "odd-rate.wav"})
    DYNAMIC_SECTION(name) {
      const auto format = std::find_if(audio_formats.begin(), audio_formats.end(),
                                       [&](const auto& f) { return std::string(name) == f.name; });
      auto source = tone_in(*format);
      const auto in_order = all(source);
      play(source, in_order);
      const auto encoder = open(source);
      for (const std::size_t number : {2, 0, 3, 1}) {
        CHECK(encoded(*encoder, source.cells[number]) == in_order[number]);
        CHECK(encoded(*open(source), source.cells[number]) == in_order[number]);
      }
    }
}

TEST_CASE("an audio segment's bytes are the same on every processor") {
  // AAC that has to be resampled; and decoders that set up a resampler or a filter bank with the first packet that
  // needs one.
  const auto speech = audio_format{"silk.ogg", "-c:a libopus -application voip -b:a 12k", 48000, 0, 0, 0};
  for (const auto& format : {audio_formats[1], speech})
    DYNAMIC_SECTION(format.name) {
      auto source = tone_in(format);
      const auto best = encoded(*open(source), source.cells[1]);
      for (const int fewer : {0, AV_CPU_FLAG_MMX | AV_CPU_FLAG_MMXEXT | AV_CPU_FLAG_SSE | AV_CPU_FLAG_SSE2}) {
        const int real = pretend_processor(fewer);
        const auto plain = encoded(*open(source), source.cells[1]);
        pretend_processor(real);
        CHECK(plain == best);
      }
      // Whatever pictures are being set up meanwhile.
      std::atomic<bool> done = false;
      std::thread pictures([&] {
        while (!done) {
          const native_math native;
          std::this_thread::yield();
        }
      });
      const auto beside = encoded(*open(source), source.cells[1]);
      done = true;
      pictures.join();
      CHECK(beside == best);
      CHECK(av_get_cpu_flags() == 0);
    }
}

TEST_CASE("setting up pictures is not kept waiting by audio") {
  std::atomic<bool> done = false;
  std::vector<std::thread> listeners;
  for (int i = 0; i < 4; ++i)
    listeners.emplace_back([&] {
      while (!done)
        const portable_math portable;
    });
  for (int i = 0; i < 100; ++i) {
    const native_math native;
    CHECK(av_get_cpu_flags() != 0);
  }
  done = true;
  for (auto& listener : listeners)
    listener.join();
}

TEST_CASE("encoding audio in segments is no worse than in one pass, at the joins too") {
  const double seconds = 20;
  auto source =
      prepare(clips::make("music.wav", "-f lavfi -i \"aevalsrc='0.2*sin(2*PI*(200+40*t)*t)+0.1*sin(2*PI*1330*t)*sin(2*"
                                       "PI*3*t)|0.2*sin(2*PI*(900-20*t)*t)+0.05*(random(0)-0.5)':s=48000:d=20:"
                                       "c=stereo\" -c:a pcm_s16le"),
              seconds);
  audio_reader reader(*source.source, source.plan);
  const auto frames = source.cells.back().audio_end;
  const auto original = read(reader, 0, (frames + 2) * audio_frame_size);
  auto once = encode_aac(original, 0, 0, frames);
  REQUIRE(once);
  const auto one_pass = play(source, {write_fragment(*once, 1)});
  const auto segments = play(source, all(source));
  REQUIRE(segments[0].size() == one_pass[0].size());

  const auto snr = [&](const player::stereo& decoded, std::int64_t from, std::int64_t to) {
    double signal = 0, noise = 0;
    for (std::size_t channel = 0; channel < 2; ++channel)
      for (auto i = static_cast<std::size_t>(from); i < static_cast<std::size_t>(to); ++i) {
        signal += std::pow(original[channel][i], 2);
        noise += std::pow(original[channel][i] - decoded[channel][i], 2);
      }
    return 10 * std::log10(signal / noise);
  };
  CHECK(snr(segments, 1024, frames * 1024) > snr(one_pass, 1024, frames * 1024) - 1);
  for (const auto& cell : source.cells)
    if (cell.number > 0) {
      const auto join = cell.audio_start * audio_frame_size;
      INFO("at " << static_cast<double>(join) / audio_sample_rate << " s");
      CHECK(snr(segments, join - 1024, join + 1024) > snr(one_pass, join - 1024, join + 1024) - 2.5);
    }
}

TEST_CASE("six channels are mixed down by the book, and never clip") {
  // Each channel has a frequency of its own: left, right, centre, low, left and right behind.
  const std::vector<double> frequencies{300, 420, 540, 66, 660, 780};
  for (const auto* name : {"surround.mov", "surround.mkv"})
    DYNAMIC_SECTION(name) {
      const auto codec = std::string(name).ends_with("mov") ? "pcm_s16le" : "ac3 -b:a 448k";
      auto source = prepare(
          clips::make(name, "-f lavfi -i \"" + clips::tones(frequencies, 48000, 5, "5.1") + "\" -c:a " + codec), 5);
      audio_reader reader(*source.source, source.plan);
      const auto mixed = read(reader, 0, 5 * audio_sample_rate);
      const auto level = [&](int channel, int of) {
        const auto& signal = mixed[static_cast<std::size_t>(channel)];
        return find_tone(signal, frequencies[static_cast<std::size_t>(of)], 48000, 48000 * 4).amplitude / 0.25;
      };
      const double full = 1 / (1 + 2 * std::sqrt(0.5)), less = full * std::sqrt(0.5);
      const double expected[2][6] = {{full, 0, less, 0, less, 0}, {0, full, less, 0, 0, less}};
      for (int channel = 0; channel < 2; ++channel)
        for (int of = 0; of < 6; ++of) {
          INFO("channel " << channel << " of " << of);
          CHECK(level(channel, of) == Approx(expected[channel][of]).margin(0.01));
        }
    }

  SECTION("all channels at full scale") {
    auto source =
        prepare(clips::make("loud.wav", "-f lavfi -i \"aevalsrc='1|1|1|1|1|1':s=48000:d=3:c=5.1\" -c:a pcm_s16le"), 3);
    audio_reader reader(*source.source, source.plan);
    const auto mixed = read(reader, 0, 3 * audio_sample_rate);
    const auto loudest = *std::max_element(mixed[0].begin(), mixed[0].end());
    CHECK(loudest <= 1.0001F);
    CHECK(loudest > 0.99F);
  }
}

TEST_CASE("a single channel goes to both sides, as loud as it was") {
  auto source = prepare(
      clips::make("mono.wav", "-f lavfi -i \"" + clips::tones({440}, 22050, 6, "mono") + "\" -c:a pcm_s16le"), 6);
  const auto signal = play(source, all(source));
  for (const auto& channel : signal)
    CHECK(find_tone(channel, 440, 24000, 264000).amplitude == Approx(0.25).epsilon(0.01));
  CHECK(difference(signal[0], signal[1], 0, static_cast<std::int64_t>(signal[0].size())) < 0.01);
}

TEST_CASE("a bare AAC file may change its rate and its channels") {
  const auto first = clips::make("first.aac", "-f lavfi -i \"" + clips::tones({440, 440}, 44100, 4, "stereo")
                                                  + "\" -c:a aac -b:a 192k");
  const auto second =
      clips::make("second.aac", "-f lavfi -i \"" + clips::tones({440}, 48000, 4, "mono") + "\" -c:a aac -b:a 128k");
  auto bytes = clips::read_file(first);
  const auto more = clips::read_file(second);
  bytes.insert(bytes.end(), more.begin(), more.end());
  const vp::test::temporary_folder folder;
  clips::write_file(folder / "both.aac", bytes);
  auto source = prepare(folder / "both.aac", 8);
  const auto signal = play(source, all(source))[0];
  for (const double from : {0.5, 4.3}) {
    const auto begin = static_cast<std::size_t>(from * audio_sample_rate), end = begin + 3 * audio_sample_rate;
    const auto found = find_tone(signal, 440, begin, end);
    CHECK(found.amplitude == Approx(0.25).epsilon(0.03));
    CHECK(residual(signal, 440, found, begin, end) < 0.01);
  }
}

TEST_CASE("of channels whose places nobody knows, the first two are taken") {
  const auto two =
      clips::make("two.wav", "-f lavfi -i \"" + clips::tones({440, 660}, 48000, 3, "stereo") + "\" -c:a pcm_s16le");
  const auto pcm = clips::output_of("ffmpeg -v error -i '" + two.string() + "' -f s16le -");
  std::vector<unsigned char> nine;
  for (std::size_t at = 0; at + 4 <= pcm.size(); at += 4) {
    nine.insert(nine.end(), pcm.begin() + static_cast<std::ptrdiff_t>(at),
                pcm.begin() + static_cast<std::ptrdiff_t>(at) + 4);
    nine.insert(nine.end(), 14, 0x55);
  }
  const vp::test::temporary_folder folder;
  clips::write_file(folder / "nine.raw", nine);
  REQUIRE(std::system(("ffmpeg -v error -f s16le -ar 48000 -ac 9 -i '" + (folder / "nine.raw").string()
                       + "' -c:a pcm_s16le '" + (folder / "nine.wav").string() + "'")
                          .c_str())
          == 0);
  auto source = prepare(folder / "nine.wav", 3);
  audio_reader reader(*source.source, source.plan);
  const auto mixed = read(reader, 0, 3 * audio_sample_rate);
  CHECK(find_tone(mixed[0], 440, 24000, 120000).amplitude == Approx(0.25).epsilon(0.01));
  CHECK(find_tone(mixed[1], 660, 24000, 120000).amplitude == Approx(0.25).epsilon(0.01));
}

TEST_CASE("encoding audio stops when it is told to") {
  auto source = tone_in(audio_formats[0]);
  interrupt stop;
  stop.raise();
  const auto made = open(source)->encode(source.cells[1], stop);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == vp::errc::cancelled);
  const auto late = open(source)->encode(source.cells[1], interrupt(std::chrono::seconds(0)));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == vp::errc::timed_out);
}

TEST_CASE("what is missing is silence, and what follows stays in its place") {
  const auto loudness = [](const std::vector<float>& signal, double from, double to) {
    double sum = 0;
    const auto begin = static_cast<std::size_t>(from * audio_sample_rate),
               end = static_cast<std::size_t>(to * audio_sample_rate);
    for (auto i = begin; i < end; ++i)
      sum += signal[i] * signal[i];
    return std::sqrt(sum / static_cast<double>(end - begin));
  };
  const auto tone_is_at = [&](const std::vector<float>& signal, double from, double to, double phase) {
    const auto found = find_tone(signal, 250, static_cast<std::size_t>(from * audio_sample_rate),
                                 static_cast<std::size_t>(to * audio_sample_rate));
    CHECK(found.amplitude == Approx(0.25).epsilon(0.03));
    CHECK(std::remainder(found.phase - phase, 2 * pi) == Approx(0).margin(2 * pi * 250 * 0.001)); // to a millisecond
  };
  const auto tones = "\"" + clips::tones({250, 250}, 48000, 8, "stereo") + "\"";

  SECTION("packets lost in the middle") {
    const auto whole = clips::make("whole.mkv", "-f lavfi -i " + tones + " -c:a aac -b:a 192k");
    for (const auto* name : {"lossy.mkv", "lossy.ts", "lossy.mp4"})
      DYNAMIC_SECTION(name) {
        auto source = prepare(
            clips::make(name, "-i '" + whole.string() + "' -c copy -bsf:a noise=drop='gte(n\\,141)*lte(n\\,187)'"), 8);
        const auto signal = play(source, all(source))[0];
        constexpr double delay = 1024.0 / 48000; // of the encoder, which this Matroska file does not tell
        tone_is_at(signal, 1, 2.9, -2 * pi * 250 * delay);
        CHECK(loudness(signal, 3.1, 3.9) < 0.001);
        tone_is_at(signal, 4.1, 7.5, -2 * pi * 250 * delay);
      }
  }
  SECTION("a late start, and an early end") {
    auto source =
        prepare(clips::make("late.mp4", "-f lavfi -i color=black:s=64x64:r=10:d=12 -itsoffset 1.3 -f lavfi -i " + tones
                                            + " -c:v libx264 -preset ultrafast -c:a aac -b:a 192k"),
                12);
    const auto signal = play(source, all(source))[0];
    CHECK(loudness(signal, 0, 1.25) < 0.001);
    tone_is_at(signal, 1.5, 9, -2 * pi * 250 * 1.3);
    CHECK(loudness(signal, 9.4, 11.9) < 0.001);
    CHECK(signal.size() == static_cast<std::size_t>(source.cells.back().audio_end) * 1024);
  }
}

TEST_CASE("the mixer follows a change of rate, format and layout, and drops what comes twice") {
  audio_mixer mixer(0, 3 * audio_sample_rate);
  const auto add = [&](double from, double to, int rate, AVSampleFormat format, int channels) {
    const auto first = std::llround(from * rate), last = std::llround(to * rate);
    for (auto at = first; at < last; at += 1000) {
      auto frame = make_frame();
      frame->nb_samples = static_cast<int>(std::min<std::int64_t>(1000, last - at));
      frame->sample_rate = rate;
      frame->format = format;
      av_channel_layout_default(&frame->ch_layout, channels);
      REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
      for (int i = 0; i < frame->nb_samples; ++i)
        for (int channel = 0; channel < channels; ++channel) {
          const auto value = 0.25 * std::sin(2 * pi * 440 * static_cast<double>(at + i) / rate);
          if (format == AV_SAMPLE_FMT_S16)
            reinterpret_cast<std::int16_t*>(frame->data[0])[i * channels + channel] =
                static_cast<std::int16_t>(std::lround(value * 32768));
          else
            reinterpret_cast<float*>(frame->extended_data[channel])[i] = static_cast<float>(value);
        }
      REQUIRE(mixer.add(*frame, at));
    }
  };
  add(-0.2, 1.1, 44100, AV_SAMPLE_FMT_S16, 2);
  add(1.0, 2.0, 22050, AV_SAMPLE_FMT_FLTP, 1); // the first tenth is there already
  add(2.0, 3.5, 48000, AV_SAMPLE_FMT_FLTP, 2);
  CHECK(mixer.full());
  auto mixed = std::move(mixer).finish();
  REQUIRE(mixed);
  for (const auto& signal : *mixed) {
    REQUIRE(signal.size() == 3 * audio_sample_rate);
    const tone expected{0.25, 0};
    double worst = 0;
    for (std::size_t at = 0; at + 256 <= signal.size(); at += 128)
      worst = std::max(worst, residual(signal, 440, expected, at, at + 256));
    CHECK(worst < 0.005);
  }
}

TEST_CASE("the mixer takes no rate that no sound has") {
  for (const int rate : {1, 200'000'000}) {
    audio_mixer mixer(0, audio_sample_rate);
    auto frame = make_frame();
    frame->nb_samples = 100;
    frame->sample_rate = rate;
    frame->format = AV_SAMPLE_FMT_FLTP;
    av_channel_layout_default(&frame->ch_layout, 2);
    REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
    const auto added = mixer.add(*frame, 0);
    REQUIRE_FALSE(added);
    CHECK(added.error().code == vp::errc::unsupported_media);
  }
}

TEST_CASE("the mixer takes channels in places that nobody mixes") {
  const auto layout = [](std::uint64_t mask) {
    AVChannelLayout made{};
    REQUIRE(av_channel_layout_from_mask(&made, mask) == 0);
    return made;
  };
  AVChannelLayout ambisonic{};
  REQUIRE(av_channel_layout_from_string(&ambisonic, "ambisonic 1") == 0);
  for (auto places : {ambisonic, layout(AV_CH_BACK_LEFT | AV_CH_BACK_RIGHT),
                      layout(AV_CH_FRONT_LEFT | AV_CH_LOW_FREQUENCY), layout(AV_CH_LOW_FREQUENCY)}) {
    audio_mixer mixer(0, 4800);
    auto frame = make_frame();
    frame->nb_samples = 4800;
    frame->sample_rate = 48000;
    frame->format = AV_SAMPLE_FMT_FLTP;
    frame->ch_layout = places;
    REQUIRE(av_frame_get_buffer(frame.get(), 0) >= 0);
    for (int channel = 0; channel < places.nb_channels; ++channel)
      std::fill_n(reinterpret_cast<float*>(frame->extended_data[channel]), 4800, channel < 2 ? 0.25F : 0.0F);
    REQUIRE(mixer.add(*frame, 0));
    auto mixed = std::move(mixer).finish();
    REQUIRE(mixed);
    INFO(places.nb_channels);
    CHECK((*mixed)[0][2400] > 0.1F);
    CHECK((*mixed)[1][2400] > 0.1F);
  }
}
