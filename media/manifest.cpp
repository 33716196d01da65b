#include "media/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

namespace vp::media {

namespace {

double seconds(std::int64_t ticks, std::uint32_t timescale) {
  return static_cast<double>(ticks) / static_cast<double>(timescale);
}

/// To the nearest microsecond.
std::int64_t to_microseconds(std::int64_t ticks, std::uint32_t timescale) {
  return static_cast<std::int64_t>(std::llround(static_cast<long double>(ticks) * 1'000'000 / timescale));
}

std::int64_t end_of(const manifest_entry& entry) {
  return entry.start + entry.duration;
}

double bits_per_second(std::uint64_t bytes, double duration) {
  return duration > 0 ? static_cast<double>(bytes) * 8 / duration : 0;
}

struct bandwidth {
  std::uint64_t peak = 0; ///< bits per second
  std::uint64_t average = 0;
};

/// The peak and average segment bit rates of RFC 8216 section 4.1: the peak is that of any run of segments that lasts
/// between half and one and a half of the target duration.
bandwidth measure(const manifest_track& track, std::uint32_t target) {
  std::uint64_t total_bytes = 0;
  std::int64_t total_ticks = 0;
  double peak = 0;
  for (auto first = track.entries.begin(); first != track.entries.end(); ++first) {
    total_bytes += first->bytes;
    total_ticks += first->duration;
    std::uint64_t bytes = 0;
    std::int64_t ticks = 0;
    for (auto last = first; last != track.entries.end(); ++last) {
      bytes += last->bytes;
      ticks += last->duration;
      const auto duration = seconds(ticks, track.timescale);
      if (duration > 1.5 * target)
        break;
      if (duration >= 0.5 * target)
        peak = std::max(peak, bits_per_second(bytes, duration));
    }
  }
  const auto average = bits_per_second(total_bytes, seconds(total_ticks, track.timescale));
  // A quotient may lie a hair above the whole number that it is.
  const auto round_up = [](double x) { return static_cast<std::uint64_t>(std::ceil(x - 1e-3)); };
  return {round_up(std::max(peak, average)), round_up(average)};
}

/// Durations to the nearest second, the longest of all tracks: RFC 8216 section 6.2.4 wants one value in all media
/// playlists.
std::uint32_t target_duration(const presentation& presentation) {
  // Which must not change while it grows: a segment is 4 s long, and a last one takes up to a second more.
  long longest = presentation.grows ? 5 : 1;
  for (const auto& track : presentation.tracks)
    for (const auto& entry : track.entries)
      longest = std::max(longest, std::lround(seconds(entry.duration, track.timescale)));
  return static_cast<std::uint32_t>(longest);
}

std::vector<const manifest_track*> tracks_of(const presentation& presentation, media_kind kind) {
  std::vector<const manifest_track*> found;
  for (const auto& track : presentation.tracks)
    if (track.rendition.kind == kind)
      found.push_back(&track);
  return found;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

/// An ISO 8601 duration, to the microsecond and no longer than it has to be.
std::string iso_duration(std::int64_t microseconds) {
  auto text = fmt::format("{}.{:06}", microseconds / 1'000'000, microseconds % 1'000'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.')
    text.pop_back();
  return "PT" + text + "S";
}

/// `30` or `30000/1001`.
std::string dash_frame_rate(const rational& rate) {
  return rate.den == 1 ? fmt::format("{}", rate.num) : fmt::format("{}/{}", rate.num, rate.den);
}

bool known(const rational& rate) {
  return rate.num > 0 && rate.den > 0;
}

class dash_writer {
public:
  explicit dash_writer(const presentation& presentation)
      : presentation_(presentation), target_(target_duration(presentation)) {}

  std::string write() {
    std::int64_t end = 0, longest = 0; // microseconds
    for (const auto& track : presentation_.tracks)
      for (const auto& entry : track.entries) {
        end = std::max(end, to_microseconds(end_of(entry), track.timescale));
        longest = std::max(longest, to_microseconds(entry.duration, track.timescale));
      }
    line(R"(<?xml version="1.0" encoding="UTF-8"?>)");
    line(R"(<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{}")"
         R"( profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019")"
         R"({} minBufferTime="PT{}S">)",
         presentation_.grows ? "dynamic" : "static",
         presentation_.grows ? live_attributes()
                             : fmt::format(R"( mediaPresentationDuration="{}" maxSegmentDuration="{}")",
                                           iso_duration(end), iso_duration(longest)),
         target_);
    line(R"(  <Period id="0" start="PT0S">)");
    adaptation_set(media_kind::video, 0);
    adaptation_set(media_kind::audio, 1);
    line("  </Period>");
    line("</MPD>");
    return std::move(out_);
  }

private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  /// No viewer's clock has a say: what is listed has been there for ever, and is published a second later with each
  /// segment.
  std::string live_attributes() const {
    const auto segments = presentation_.tracks.empty() ? 0 : presentation_.tracks.front().entries.size();
    return fmt::format(R"( availabilityStartTime="1970-01-01T00:00:00Z" publishTime="1970-01-{:02}T{:02}:{:02}:{:02}Z")"
                       R"( minimumUpdatePeriod="PT2S" maxSegmentDuration="PT{}S")",
                       1 + segments / 86'400, segments / 3'600 % 24, segments / 60 % 60, segments % 60, target_);
  }

  void adaptation_set(media_kind kind, int id) {
    const auto tracks = tracks_of(presentation_, kind);
    if (tracks.empty())
      return;
    if (kind == media_kind::video) {
      const auto [narrow, wide] = std::minmax_element(
          tracks.begin(), tracks.end(), [](auto* x, auto* y) { return x->rendition.width < y->rendition.width; });
      const auto [low, high] = std::minmax_element(
          tracks.begin(), tracks.end(), [](auto* x, auto* y) { return x->rendition.height < y->rendition.height; });
      const auto rate = dash_frame_rate(presentation_.frame_rate);
      line(R"(    <AdaptationSet id="{}" contentType="video" mimeType="video/mp4" segmentAlignment="true")"
           R"( startWithSAP="1" minWidth="{}" maxWidth="{}" minHeight="{}" maxHeight="{}"{}>)",
           id, (*narrow)->rendition.width, (*wide)->rendition.width, (*low)->rendition.height,
           (*high)->rendition.height,
           known(presentation_.frame_rate) ? fmt::format(R"( minFrameRate="{0}" maxFrameRate="{0}")", rate) : "");
    } else {
      line(R"(    <AdaptationSet id="{}" contentType="audio" mimeType="audio/mp4" segmentAlignment="true")"
           R"( startWithSAP="1" lang="und">)",
           id);
      line("      <AudioChannelConfiguration"
           R"( schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>)");
      line(R"(      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>)");
    }
    segment_template(*tracks.front()); // all of a set are cut on the same grid
    for (const auto* track : tracks)
      representation(*track);
    line("    </AdaptationSet>");
  }

  void segment_template(const manifest_track& track) {
    line(R"(      <SegmentTemplate timescale="{}" startNumber="0"{} media="../media/$RepresentationID$/$Number$.m4s")"
         R"( initialization="../media/$RepresentationID$/{}">)",
         track.timescale, presentation_.grows ? R"( availabilityTimeOffset="INF")" : "", init_name());
    line("        <SegmentTimeline>");
    std::int64_t expected = -1; // the first always says where it starts
    for (auto run = track.entries.begin(); run != track.entries.end();) {
      auto next = std::next(run);
      while (next != track.entries.end() && next->duration == run->duration && next->start == end_of(*std::prev(next)))
        ++next;
      const auto repeats = std::distance(run, next) - 1;
      line(R"(          <S{} d="{}"{}/>)", run->start == expected ? "" : fmt::format(R"( t="{}")", run->start),
           run->duration, repeats > 0 ? fmt::format(R"( r="{}")", repeats) : "");
      expected = end_of(*std::prev(next));
      run = next;
    }
    line("        </SegmentTimeline>");
    line("      </SegmentTemplate>");
  }

  void representation(const manifest_track& track) {
    const auto& rendition = track.rendition;
    const auto shape =
        rendition.kind == media_kind::audio
            ? fmt::format(R"( audioSamplingRate="{}")", track.timescale)
            : fmt::format(R"( width="{}" height="{}" sar="1:1"{})", rendition.width, rendition.height,
                          known(presentation_.frame_rate)
                              ? fmt::format(R"( frameRate="{}")", dash_frame_rate(presentation_.frame_rate))
                              : "");
    line(R"(      <Representation id="{}" codecs="{}" bandwidth="{}"{}/>)", escape_xml(rendition.id),
         escape_xml(rendition.codecs), measure(track, target_).peak, shape);
  }

  const presentation& presentation_;
  std::uint32_t target_;
  std::string out_;
};

} // namespace

std::string multivariant_playlist(const presentation& presentation) {
  const auto target = target_duration(presentation);
  const auto videos = tracks_of(presentation, media_kind::video);
  const auto audios = tracks_of(presentation, media_kind::audio);
  const bool grouped = !videos.empty() && !audios.empty();

  std::string out = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n";
  bandwidth audio;
  if (grouped) {
    const auto& track = *audios.front();
    audio = measure(track, target);
    out +=
        fmt::format("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{0}\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\","
                    "URI=\"{0}.m3u8\"\n",
                    track.rendition.name);
  }

  // From the leanest up: a player that knows nothing of its connection yet begins with the first.
  struct variant {
    const manifest_track* track;
    bandwidth rate;
  };
  std::vector<variant> variants;
  for (const auto* track : videos.empty() ? audios : videos) {
    const auto own = measure(*track, target);
    variants.push_back({track, {own.peak + audio.peak, own.average + audio.average}});
  }
  std::stable_sort(variants.begin(), variants.end(),
                   [](const variant& x, const variant& y) { return x.rate.peak < y.rate.peak; });

  for (const auto& [track, rate] : variants) {
    const auto& rendition = track->rendition;
    out += fmt::format(R"(#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS="{}{}")", rate.peak, rate.average,
                       rendition.codecs, grouped ? "," + audios.front()->rendition.codecs : "");
    if (rendition.kind == media_kind::video) {
      out += fmt::format(",RESOLUTION={}x{}", rendition.width, rendition.height);
      if (known(presentation.frame_rate))
        out += fmt::format(",FRAME-RATE={:.3f}", presentation.frame_rate.value());
    }
    out += fmt::format("{}\n{}.m3u8\n", grouped ? R"(,AUDIO="audio")" : "", rendition.name);
  }
  return out;
}

std::string media_playlist(const presentation& presentation, const manifest_track& track) {
  const auto folder = "../media/" + track.rendition.id + "/";
  // Players would begin with what has come last.
  constexpr auto event = "EVENT\n#EXT-X-START:TIME-OFFSET=0,PRECISE=YES";
  auto out = fmt::format("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0\n"
                         "#EXT-X-PLAYLIST-TYPE:{}\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"{}{}\"\n",
                         target_duration(presentation), presentation.grows ? event : "VOD", folder, init_name());
  std::uint32_t number = 0;
  for (const auto& entry : track.entries) {
    // Ends and starts are rounded rather than durations, so that roundings do not add up over a long video.
    const auto duration =
        to_microseconds(end_of(entry), track.timescale) - to_microseconds(entry.start, track.timescale);
    out += fmt::format("#EXTINF:{}.{:06},\n{}{}\n", duration / 1'000'000, duration % 1'000'000, folder,
                       fragment_name(number++));
  }
  if (!presentation.grows)
    out += "#EXT-X-ENDLIST\n";
  return out;
}

std::string dash_manifest(const presentation& presentation) {
  return dash_writer(presentation).write();
}

std::string init_name() {
  return "init.mp4";
}

std::string fragment_name(std::uint32_t number) {
  return fmt::format("{}.m4s", number);
}

} // namespace vp::media
