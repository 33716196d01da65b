#include "clips.hpp"
#include "media/manifest.hpp"
#include "movie.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <regex>

using namespace vp::media;

namespace {

manifest_track video_track(const std::string& name, int width, int height, std::uint64_t bytes_per_second) {
  manifest_track out;
  out.rendition = {name + "-0a1b2c3d", name, media_kind::video, "libx264", width, height, 0, "avc1.64001f"};
  out.timescale = 30000;
  // 2, 2, 4, 4 and 1.5 s of 29.97 frames a second.
  std::int64_t at = 0;
  for (const int frames : {60, 60, 120, 120, 45}) {
    const std::int64_t duration = frames * 1001;
    out.entries.push_back({at, duration, bytes_per_second * static_cast<std::uint64_t>(duration) / 30000});
    at += duration;
  }
  return out;
}

manifest_track audio_track() {
  manifest_track out;
  out.rendition = {"audio-0a1b2c3d", "audio", media_kind::audio, "aac", 0, 0, 128000, "mp4a.40.2"};
  out.timescale = 48000;
  std::int64_t at = 0;
  for (const int frames : {94, 94, 188, 187, 71}) {
    out.entries.push_back({at, frames * 1024, static_cast<std::uint64_t>(frames) * 341});
    at += frames * 1024;
  }
  return out;
}

presentation both() {
  return {{video_track("720p", 1280, 720, 250'000), video_track("360p", 640, 360, 60'000), audio_track()},
          {30000, 1001}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    out.push_back(line);
  return out;
}

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern) {
  std::vector<std::string> out;
  const std::regex regex(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at)
    out.push_back((*at)[1]);
  return out;
}

} // namespace

TEST_CASE("the multivariant playlist names every rung with the audio") {
  // 250,000 and 60,000 bytes/s; audio of 341 bytes a frame, 46.875 frames a second.
  CHECK(
      lines_of(multivariant_playlist(both()))
      == std::vector<std::string>{
          "#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS",
          R"(#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8")",
          R"(#EXT-X-STREAM-INF:BANDWIDTH=607875,AVERAGE-BANDWIDTH=607875,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO="audio")",
          "360p.m3u8",
          R"(#EXT-X-STREAM-INF:BANDWIDTH=2127875,AVERAGE-BANDWIDTH=2127875,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="audio")",
          "720p.m3u8"});
}

TEST_CASE("bandwidth is that of the densest stretch of about a target duration") {
  auto made = both();
  made.tracks.resize(1); // 2.002, 2.002, 4.004, 4.004 and 1.5015 s; the target is 4 s
  auto& entries = made.tracks[0].entries;
  for (auto& entry : entries)
    entry.bytes = 100'000;
  entries[4].bytes = 900'000; // alone it is too short to count: with its neighbour it is 5.5055 s
  const auto text = multivariant_playlist(made);
  CHECK(all_matches(text, "[^-]BANDWIDTH=([0-9]+)")
        == std::vector{fmt::format("{}", static_cast<int>(std::ceil(8e6 / 5.5055)))});
  CHECK(all_matches(text, "AVERAGE-BANDWIDTH=([0-9]+)")
        == std::vector{fmt::format("{}", static_cast<int>(std::ceil(8 * 1.3e6 / 13.5135)))});
}

TEST_CASE("video alone and audio alone have no audio group") {
  auto silent = both();
  silent.tracks.pop_back();
  CHECK(multivariant_playlist(silent).find("AUDIO") == std::string::npos);
  CHECK(multivariant_playlist(silent).find("mp4a") == std::string::npos);
  CHECK(dash_manifest(silent).find("audio") == std::string::npos);

  const presentation blind{{audio_track()}, {}};
  CHECK(lines_of(multivariant_playlist(blind)).back() == "audio.m3u8");
  CHECK(multivariant_playlist(blind).find(
            "#EXT-X-STREAM-INF:BANDWIDTH=127875,AVERAGE-BANDWIDTH=127875,CODECS=\"mp4a.40.2\"\n")
        != std::string::npos);
  CHECK(dash_manifest(blind).find("video") == std::string::npos);
  CHECK(dash_manifest(blind).find("NaN") == std::string::npos);
}

TEST_CASE("a media playlist lists every fragment with its duration") {
  const auto made = both();
  const auto lines = lines_of(media_playlist(made, made.tracks[0]));
  CHECK(lines
        == std::vector<std::string>{"#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:4", "#EXT-X-MEDIA-SEQUENCE:0",
                                    "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS",
                                    "#EXT-X-MAP:URI=\"../media/720p-0a1b2c3d/init.mp4\"", "#EXTINF:2.002000,",
                                    "../media/720p-0a1b2c3d/0.m4s", "#EXTINF:2.002000,", "../media/720p-0a1b2c3d/1.m4s",
                                    "#EXTINF:4.004000,", "../media/720p-0a1b2c3d/2.m4s", "#EXTINF:4.004000,",
                                    "../media/720p-0a1b2c3d/3.m4s", "#EXTINF:1.501500,", "../media/720p-0a1b2c3d/4.m4s",
                                    "#EXT-X-ENDLIST"});
}

TEST_CASE("the manifests of a video that grows only get longer, until it is whole") {
  auto early = both();
  early.grows = true;
  for (auto& track : early.tracks)
    track.entries.resize(3);
  auto late = both();
  late.grows = true;
  for (std::size_t i = 0; i < early.tracks.size(); ++i) {
    const auto before = media_playlist(early, early.tracks[i]);
    const auto after = media_playlist(late, late.tracks[i]);
    CHECK(before.find("#EXT-X-PLAYLIST-TYPE:EVENT\n") != std::string::npos);
    CHECK(before.find("#EXT-X-START:TIME-OFFSET=0") != std::string::npos);
    CHECK(after.starts_with(before));
    CHECK(all_matches(after, R"(/(\d+)\.m4s)").size() == 5);
    CHECK(after.find("#EXT-X-ENDLIST") == std::string::npos);
  }
  // A folded tail may come, so the bound on durations leaves room for it.
  CHECK(all_matches(media_playlist(early, early.tracks[0]), "TARGETDURATION:([0-9]+)")
        == std::vector<std::string>{"5"});

  const auto dynamic = dash_manifest(early);
  CHECK(dynamic.find(R"(type="dynamic")") != std::string::npos);
  CHECK(dynamic.find("mediaPresentationDuration") == std::string::npos);
  CHECK(all_matches(dynamic, "minimumUpdatePeriod=\"([^\"]+)\"") == std::vector<std::string>{"PT2S"});
  CHECK(all_matches(dynamic, "publishTime=\"([^\"]+)\"")
        < all_matches(dash_manifest(late), "publishTime=\"([^\"]+)\""));
  const auto ended = dash_manifest(both());
  CHECK(ended.find("1970") == std::string::npos);
  CHECK(ended.find("availabilityTimeOffset") == std::string::npos);
  for (const auto* what : {"<Period ", "<AdaptationSet ", "<Representation "})
    CHECK(all_matches(dynamic, fmt::format("({}id=\"[^\"]+\")", what))
          == all_matches(ended, fmt::format("({}id=\"[^\"]+\")", what)));
}

TEST_CASE("durations add up over a long video, and one target fits all playlists") {
  auto long_one = both();
  auto& entries = long_one.tracks[2].entries;
  entries.clear();
  for (int i = 0; i < 1800; ++i)
    entries.push_back({i * 188 * 1024LL, 188 * 1024, 1}); // 4.010666... s
  const auto text = media_playlist(long_one, long_one.tracks[2]);
  double sum = 0;
  for (const auto& duration : all_matches(text, "#EXTINF:([0-9.]+),"))
    sum += std::stod(duration);
  CHECK(sum == Approx(1800 * 188 * 1024 / 48000.0).margin(1e-6));

  long_one.tracks[0].entries.back().duration = 30000 * 11 / 2; // 5.5 s rounds to 6
  for (const auto& track : long_one.tracks)
    CHECK(media_playlist(long_one, track).find("#EXT-X-TARGETDURATION:6\n") != std::string::npos);
}

TEST_CASE("the DASH manifest has the same fragments on an exact timeline") {
  CHECK(dash_manifest(both()) == R"(<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019" mediaPresentationDuration="PT13.525333S" maxSegmentDuration="PT4.010667S" minBufferTime="PT4S">
  <Period id="0" start="PT0S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1" minWidth="640" maxWidth="1280" minHeight="360" maxHeight="720" minFrameRate="30000/1001" maxFrameRate="30000/1001">
      <SegmentTemplate timescale="30000" startNumber="0" media="../media/$RepresentationID$/$Number$.m4s" initialization="../media/$RepresentationID$/init.mp4">
        <SegmentTimeline>
          <S t="0" d="60060" r="1"/>
          <S d="120120" r="1"/>
          <S d="45045"/>
        </SegmentTimeline>
      </SegmentTemplate>
      <Representation id="720p-0a1b2c3d" codecs="avc1.64001f" bandwidth="2000000" width="1280" height="720" sar="1:1" frameRate="30000/1001"/>
      <Representation id="360p-0a1b2c3d" codecs="avc1.64001f" bandwidth="480000" width="640" height="360" sar="1:1" frameRate="30000/1001"/>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1" lang="und">
      <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <SegmentTemplate timescale="48000" startNumber="0" media="../media/$RepresentationID$/$Number$.m4s" initialization="../media/$RepresentationID$/init.mp4">
        <SegmentTimeline>
          <S t="0" d="96256" r="1"/>
          <S d="192512"/>
          <S d="191488"/>
          <S d="72704"/>
        </SegmentTimeline>
      </SegmentTemplate>
      <Representation id="audio-0a1b2c3d" codecs="mp4a.40.2" bandwidth="127875" audioSamplingRate="48000"/>
    </AdaptationSet>
  </Period>
</MPD>
)");
}

TEST_CASE("a DASH timeline says where it starts and where it jumps") {
  presentation late{{video_track("360p", 640, 360, 60'000)}, {30, 1}};
  auto& entries = late.tracks[0].entries;
  for (auto& entry : entries)
    entry.start += 15'000;
  entries[3].start += 7;
  const auto text = dash_manifest(late);
  CHECK(text.find("<S t=\"15000\" d=\"60060\" r=\"1\"/>") != std::string::npos);
  CHECK(text.find("<S d=\"120120\"/>") != std::string::npos);
  CHECK(text.find(fmt::format("<S t=\"{}\" d=\"120120\"/>", entries[3].start)) != std::string::npos);
  CHECK(text.find("frameRate=\"30\"") != std::string::npos);
}

TEST_CASE("what would break XML is escaped") {
  auto odd = both();
  odd.tracks[0].rendition.id = "a<b>&\"c";
  CHECK(dash_manifest(odd).find("id=\"a&lt;b&gt;&amp;&quot;c\"") != std::string::npos);
}

TEST_CASE("ffmpeg plays a whole video through both manifests") {
  const auto made = movie::encode(
      clips::make("for-manifests.mp4", "-f lavfi -i \"" + clips::numbered(640, 360, "25", 225)
                                           + "\" -f lavfi -i sine=440:d=9 -c:v libx264 -preset ultrafast"));
  const vp::test::temporary_folder folder;
  presentation all{{}, made.analysis.plan.frame_rate};
  for (const auto& track : made.tracks) {
    const bool video = track.rendition.kind == media_kind::video;
    auto& listed = all.tracks.emplace_back();
    listed.rendition = track.rendition;
    listed.timescale = video ? made.analysis.plan.timescale : static_cast<std::uint32_t>(audio_sample_rate);
    std::filesystem::create_directories(folder / ("media/" + track.rendition.id));
    clips::write_file(folder / ("media/" + track.rendition.id + "/" + init_name()), track.init);
    for (const auto& fragment : track.fragments) {
      listed.entries.push_back({fragment.start, fragment.duration, fragment.bytes.size()});
      clips::write_file(folder / ("media/" + track.rendition.id + "/" + fragment_name(fragment.segment)),
                        fragment.bytes);
    }
  }
  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder / name).parent_path());
    clips::write_file(folder / name, {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  write("hls/playlist.m3u8", multivariant_playlist(all));
  for (const auto& track : all.tracks)
    write("hls/" + track.rendition.name + ".m3u8", media_playlist(all, track));
  write("dash/manifest.mpd", dash_manifest(all));

  // The demuxers for both need a word to read fragments of this name and to go up a folder.
  const std::string options = "-allowed_extensions ALL ";
  for (const auto& [name, words] : {std::pair{"hls/playlist.m3u8", options}, {"dash/manifest.mpd", options}})
    for (std::size_t track = 0; track < all.tracks.size(); ++track) {
      INFO(name << ", track " << track);
      const bool video = all.tracks[track].rendition.kind == media_kind::video;
      const auto counted =
          clips::output_of(fmt::format("ffprobe -v error {} -count_frames -select_streams {} -show_entries "
                                       "stream=nb_read_frames -of default=nk=1:nw=1 '{}' 2>&1",
                                       words, video ? fmt::format("v:{}", track) : "a:0", (folder / name).string()));
      std::size_t expected = 0;
      for (const auto& fragment : made.tracks[track].fragments)
        expected += fragment.frames;
      CHECK(counted.substr(0, counted.find('\n')) == std::to_string(expected));
    }
}
