#include "clips.hpp"
#include "media/analyze.hpp"
#include "movie.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string_view>

using namespace vp::media;
using vp::errc;

namespace {

using bytes = std::vector<unsigned char>;

const std::string pictures = "-f lavfi -i \"" + clips::numbered(320, 180, "25", 225) + "\"";
const std::string tone = "-f lavfi -i \"sine=440:r=44100:d=9\"";
const std::string x264 = "-c:v libx264 -preset veryfast -g 50";

bytes text(std::string_view words) {
  return {words.begin(), words.end()};
}

bytes first_part(bytes all, double part) {
  all.resize(static_cast<std::size_t>(static_cast<double>(all.size()) * part));
  return all;
}

/// The source is refused, soon, with one of these codes and a sentence.
void check_refused(const bytes& data, std::initializer_list<errc> codes, const std::string& says = "") {
  clips::memory_source source(data);
  const auto begin = std::chrono::steady_clock::now();
  const auto made = analyze(source, {}, interrupt(std::chrono::seconds(30)));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  REQUIRE_FALSE(made);
  INFO(made.error().text);
  CHECK(std::find(codes.begin(), codes.end(), made.error().code) != codes.end());
  CHECK(made.error().text.size() > 10);
  CHECK(made.error().text.find(says) != std::string::npos);
}

std::uint32_t big_endian(const bytes& data, std::size_t at) {
  return static_cast<std::uint32_t>(data[at]) << 24 | static_cast<std::uint32_t>(data[at + 1]) << 16
         | static_cast<std::uint32_t>(data[at + 2]) << 8 | data[at + 3];
}

void put_big_endian(bytes& data, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i)
    data[at + i] = static_cast<unsigned char>(value >> (24 - 8 * i));
}

/// The offsets of the boxes on the way down to the last of `path`.
std::vector<std::size_t> find_boxes(const bytes& data, const std::vector<std::string>& path) {
  std::vector<std::size_t> found;
  std::size_t at = 0, end = data.size();
  for (const auto& type : path) {
    while (at + 8 <= end
           && std::string(data.begin() + static_cast<std::ptrdiff_t>(at) + 4,
                          data.begin() + static_cast<std::ptrdiff_t>(at) + 8)
                  != type)
      at += big_endian(data, at);
    REQUIRE(at + 8 <= end);
    found.push_back(at);
    end = at + big_endian(data, at);
    at += 8;
  }
  return found;
}

/// A QuickTime file whose media lie in another file, by an alias record with an absolute path, behind its own moov.
bytes with_data_reference(bytes movie, const std::string& path) {
  bytes alias(4 + 4, 0); // size, type
  std::copy_n("alis", 4, alias.begin() + 4);
  alias.resize(alias.size() + 4 + 10 + 28 + 12 + 64 + 16 + 2 + 2 + 16,
               0); // flags, then what comes before the tagged data
  const auto put16 = [&](std::size_t value) {
    alias.push_back(static_cast<unsigned char>(value >> 8));
    alias.push_back(static_cast<unsigned char>(value));
  };
  put16(2); // an absolute path
  put16(path.size());
  alias.insert(alias.end(), path.begin(), path.end());
  if (path.size() % 2)
    alias.push_back(0);
  put16(0xffff);
  put16(0);
  put_big_endian(alias, 0, static_cast<std::uint32_t>(alias.size()));

  const auto boxes = find_boxes(movie, {"moov", "trak", "mdia", "minf", "dinf", "dref"});
  const auto entry = boxes.back() + 16; // behind version and count
  const auto old_size = big_endian(movie, entry);
  for (const auto box : boxes)
    put_big_endian(movie, box, big_endian(movie, box) + static_cast<std::uint32_t>(alias.size()) - old_size);
  movie.erase(movie.begin() + static_cast<std::ptrdiff_t>(entry),
              movie.begin() + static_cast<std::ptrdiff_t>(entry + old_size));
  movie.insert(movie.begin() + static_cast<std::ptrdiff_t>(entry), alias.begin(), alias.end());
  return movie;
}

} // namespace

TEST_CASE("bad sources: not a video at all") {
  check_refused({}, {errc::broken_media, errc::unsupported_media}, "empty");
  check_refused(text("Dear diary, today I uploaded a text.\n"), {errc::unsupported_media});
  check_refused(bytes(1 << 20, 0), {errc::unsupported_media});
  check_refused(text("1\n00:00:01,000 --> 00:00:02,000\nA subtitle is no video.\n\n"), {errc::unsupported_media});
  check_refused(clips::read_file(clips::make("still.png", pictures + " -frames:v 1")), {errc::unsupported_media});
  check_refused(clips::read_file(clips::make("still.jpg", pictures + " -frames:v 1")), {errc::unsupported_media});
  bytes noise(1 << 20);
  std::mt19937 random(1);
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<unsigned char>(random()); });
  check_refused(noise, {errc::unsupported_media, errc::broken_media});
}

TEST_CASE("bad sources: an MP4 that is cut off") {
  const auto index_first = clips::read_file(
      clips::make("whole-index-first.mp4", pictures + " " + tone + " " + x264 + " -movflags faststart"));
  check_refused(first_part(index_first, 0.6), {errc::broken_media}, "cut off");
  check_refused(first_part(index_first, 0.01), {errc::broken_media});
  const auto index_last = clips::read_file(clips::make("whole-index-last.mp4", pictures + " " + tone + " " + x264));
  check_refused(first_part(index_last, 0.6), {errc::broken_media}, "moov");
  // The index is whole and what it points to is not.
  auto hollow = index_last;
  const auto moov = find_boxes(hollow, {"moov"}).front();
  const auto mdat = find_boxes(hollow, {"mdat"}).front();
  const auto lost = (moov - mdat) / 2;
  put_big_endian(hollow, mdat, static_cast<std::uint32_t>(moov - mdat - lost));
  hollow.erase(hollow.begin() + static_cast<std::ptrdiff_t>(moov - lost),
               hollow.begin() + static_cast<std::ptrdiff_t>(moov));
  check_refused(hollow, {errc::broken_media});
}

TEST_CASE("bad sources: a cut-off transport stream or Matroska file plays what is there, and says so") {
  for (const auto* name : {"whole.ts", "whole.mkv"})
    DYNAMIC_SECTION(name) {
      const auto whole = clips::read_file(clips::make(name, pictures + " " + tone + " " + x264 + " -bf 2"));
      vp::test::temporary_folder folder;
      auto part = first_part(whole, 0.6);
      part.resize(part.size() / 188 * 188 + 100); // cut at a packet's end, a transport stream is as good as whole
      clips::write_file(folder / name, part);
      // ffmpeg shows what it can of the last picture; whether that one counts is not the point.
      const auto expected = movie::look_at(folder / name, true);
      const auto made = movie::encode(folder / name);
      CHECK_FALSE(made.analysis.plan.source.warnings.empty());
      std::size_t frames = 0;
      for (const auto& fragment : made.largest().fragments)
        frames += fragment.frames;
      CHECK(frames >= expected.times.size() - 1);
      CHECK(frames <= expected.times.size());
      movie::check_fragments(made);
    }
}

TEST_CASE("bad sources: a picture of 100000 x 100000") {
  auto avi = clips::read_file(clips::make("small.avi", pictures + " -c:v mjpeg"));
  constexpr std::string_view format = "strf";
  const auto header = std::search(avi.begin(), avi.end(), format.begin(), format.end());
  REQUIRE(avi.end() - header > 20);
  const unsigned char size[] = {0xa0, 0x86, 0x01, 0x00}; // 100000
  std::copy(std::begin(size), std::end(size), header + 12);
  std::copy(std::begin(size), std::end(size), header + 16);
  check_refused(avi, {errc::unsupported_media}, "too large");

  auto mkv = clips::read_file(clips::make("small.mkv", pictures + " -c:v mjpeg"));
  const unsigned char width[] = {0xb0, 0x82, 320 >> 8, 320 & 0xff, 0xba, 0x81, 180}; // PixelWidth, PixelHeight
  const auto at = std::search(mkv.begin(), mkv.end(), std::begin(width), std::end(width));
  REQUIRE(mkv.end() - at > 7);
  at[2] = at[3] = at[6] = 0xff;
  check_refused(mkv, {errc::unsupported_media}, "too large");
}

TEST_CASE("bad sources: one packet with a time far away") {
  const auto far = [](const std::string& media, const std::string& time) {
    return " -bsf:" + media + " setts=ts='if(eq(N\\,60)\\," + time + "\\,TS)'";
  };
  const auto sound = tone + " -c:a aac ";
  const auto both = pictures + " " + tone + " " + x264 + " -bf 0 ";
  const auto check = [](const std::string& name, const std::string& arguments) {
    INFO(name);
    check_refused(clips::read_file(clips::make(name, arguments)), {errc::broken_media}, "longer than 100 hours");
  };
  check("far.mka", sound + far("a", "100000000000"));
  check("far-sound.mkv", both + far("a", "100000000000"));
  check("far-picture.mkv", both + far("v", "100000000000"));
  check("farthest.mkv", both + far("v", "9000000000000000"));
}

TEST_CASE("bad sources: sound at a rate that no sound has") {
  auto wav = clips::read_file(clips::make("rate.wav", tone));
  for (const std::uint32_t rate : {1U, 3999U, 768'001U, 200'000'000U}) {
    INFO(rate);
    for (std::size_t i = 0; i < 4; ++i)
      wav[24 + i] = static_cast<unsigned char>(rate >> (8 * i));
    const clips::memory_watch memory;
    check_refused(wav, {errc::broken_media}, "neither video nor audio");
    CHECK(memory.peak() < 60);
  }
  // Beside a video it is left out.
  auto avi = clips::read_file(clips::make("rate.avi", pictures + " " + tone + " -c:v mpeg4 -c:a pcm_s16le"));
  constexpr std::string_view format = "strf";
  const auto video = std::search(avi.begin(), avi.end(), format.begin(), format.end());
  const auto audio = std::search(video + 4, avi.end(), format.begin(), format.end());
  REQUIRE(avi.end() - audio > 16);
  std::fill_n(audio + 12, 4, 0);
  audio[12] = 1;
  clips::memory_source source(avi);
  const auto made = analyze(source, {}, interrupt(std::chrono::seconds(30)));
  REQUIRE(made);
  CHECK_FALSE(made->plan.source.audio);
  REQUIRE(made->plan.source.warnings.size() == 1);
  CHECK(made->plan.source.warnings.front().find("1 samples a second") != std::string::npos);
}

TEST_CASE("bad sources: much sound beside one picture") {
  check_refused(clips::read_file(clips::make("far-apart.mp4", "-f lavfi -i \"" + clips::numbered(320, 180, "1/4000", 2)
                                                                  + "\" -f lavfi -i sine=440:d=5 " + x264)),
                {errc::unsupported_media}, "ten minutes apart");
}

TEST_CASE("bad sources: an encrypted track") {
  check_refused(clips::read_file(clips::make("encrypted.mp4", pictures + " " + tone + " " + x264
                                                                  + " -encryption_scheme cenc-aes-ctr -encryption_key "
                                                                    "76a6c65c5ea762046bd749a2e632ccbb -encryption_kid "
                                                                    "a7e61c373e219033c21091fa607bf3b8")),
                {errc::unsupported_media}, "encrypted");
}

TEST_CASE("bad sources: damaged bytes do no harm") {
  const auto name = GENERATE("damaged.mp4", "damaged.mkv", "damaged.ts", "damaged.avi", "damaged.ogv");
  const auto whole = clips::read_file(
      clips::make(name, pictures + " " + tone + " -t 3 " + (std::string(name).ends_with("ogv") ? "" : x264)));
  std::mt19937 random(5);
  for (int round = 0; round < 6; ++round) {
    auto data = whole;
    for (int i = 0; i < 40; ++i)
      data[random() % data.size()] = static_cast<unsigned char>(random());
    clips::memory_source source(data);
    const auto made = analyze(source, {}, interrupt(std::chrono::seconds(20)));
    if (!made) {
      CHECK(made.error().code != errc::internal);
      CHECK(made.error().text.size() > 10);
    } else {
      CHECK_FALSE(made->segments.empty());
    }
  }
}

TEST_CASE("bad sources: what names other files or addresses opens nothing") {
  vp::test::temporary_folder folder;
  const auto other = clips::make("other.mp4", pictures + " " + tone + " " + x264).string();
  const std::vector<std::pair<std::string, bytes>> sources{
      {"list.m3u8", text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + other
                         + "\n#EXTINF:9,\nhttp://127.0.0.1:9/segment.ts\n#EXT-X-ENDLIST\n")},
      {"master.m3u8", text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nhttp://127.0.0.1:9/media.m3u8\n")},
      {"manifest.mpd",
       text("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" "
            "mediaPresentationDuration=\"PT9S\" profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\"><Period>"
            "<AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>file://"
            + other + "</BaseURL></Representation></AdaptationSet></Period></MPD>")},
      {"list.ffconcat", text("ffconcat version 1.0\nfile '" + other + "'\n")},
      {"session.sdp", text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9998 RTP/AVP 96\n"
                           "a=rtpmap:96 H264/90000\n")},
      {"reference.mov",
       with_data_reference(clips::read_file(clips::make("self-contained.mov", pictures + " " + x264)), other)},
  };
  for (const auto& [name, data] : sources)
    DYNAMIC_SECTION(name) {
      if (!name.ends_with(".mov")) // libavformat reads such a movie's own bytes instead, which is harmless
        check_refused(data, {errc::unsupported_media, errc::broken_media});

      const auto path = (folder / name).string();
      clips::write_file(path, data);
      const auto log = (folder / "strace.log").string();
      const auto status = std::system(
          fmt::format(
              "strace -f -o '{}' -e trace=open,openat,openat2,creat,connect,socket,sendto,execve '{}' '{}' >/dev/null",
              log, VIDPIPELINE_MEDIA_PROBE, path)
              .c_str());
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) <= 1);
      std::istringstream lines([&] {
        const auto all = clips::read_file(log);
        return std::string(all.begin(), all.end());
      }());
      bool reached = false;
      for (std::string line; std::getline(lines, line);) {
        if (line.find(path) != std::string::npos && line.find("open") != std::string::npos) {
          reached = true; // before that the loader opens libraries
          continue;
        }
        if (reached
            && (line.find("open") != std::string::npos || line.find("connect") != std::string::npos
                || line.find("socket") != std::string::npos || line.find("creat") != std::string::npos
                || line.find("sendto") != std::string::npos || line.find("execve") != std::string::npos))
          FAIL_CHECK(line);
      }
      CHECK(reached);
    }
}
