#include "media/analyze.hpp"

#include "media/audio_encoder.hpp"
#include "media/colour.hpp"
#include "media/frame_reader.hpp"
#include "media/growing.hpp"
#include "media/ladder.hpp"
#include "media/mp4.hpp"
#include "media/poster.hpp"
#include "media/probe.hpp"
#include "media/scan.hpp"
#include "media/video_encoder.hpp"

#include <algorithm>
#include <limits>

namespace vp::media {

namespace {

void plan_renditions(plan& plan, const scan_result& scanned) {
  if (plan.source.video)
    for (const auto& rung : ladder(shown_size(*plan.source.video))) {
      rendition made;
      made.name = rung.name;
      made.kind = media_kind::video;
      made.width = rung.width;
      made.height = rung.height;
      made.bitrate = rung.bitrate;
      plan.renditions.push_back(std::move(made));
    }
  if (scanned.copied) {
    plan.renditions.front().encoder = copied;
    plan.renditions.front().bitrate = scanned.copied_rate;
  }
  if (plan.source.audio) {
    rendition made;
    made.name = "audio";
    made.kind = media_kind::audio;
    made.encoder = "aac";
    made.bitrate = audio_bitrate;
    plan.renditions.push_back(std::move(made));
  }
}

/// Opens the encoder of each rendition, where it has one, to learn what its fragments will need, and names it.
result<std::vector<init_segment>> make_init_segments(plan& plan, scan_result& scanned) {
  std::vector<init_segment> inits;
  for (auto& rendition : plan.renditions) {
    const bool video = rendition.kind == media_kind::video;
    result<codec_parameters> parameters;
    if (rendition.encoder == copied) {
      parameters = std::move(scanned.copied);
    } else if (video) {
      const auto encoder = video_encoder::open(plan, rendition, scanned.colour);
      if (!encoder)
        return tl::unexpected(encoder.error());
      parameters = (*encoder)->parameters();
    } else {
      parameters = audio_parameters();
    }
    if (!parameters)
      return tl::unexpected(parameters.error());
    auto bytes = write_init_segment(**parameters, video ? plan.timescale : std::uint32_t{audio_sample_rate});
    if (!bytes)
      return tl::unexpected(bytes.error());
    rendition.codecs = codecs_string(**parameters);
    rendition.id = rendition_id(plan, rendition);
    inits.push_back({rendition.id, std::move(*bytes)});
  }
  return inits;
}

/// In AAC frames: a segment's audio is in memory as a whole.
constexpr std::int64_t most_audio = 600 * audio_sample_rate / audio_frame_size;

} // namespace

std::optional<std::uint32_t> poster_cell(const plan& plan, const std::vector<segment>& segments) {
  const auto at = poster_time(plan.video_end);
  const auto holds = [at](const segment& cell) { return cell.frames > 0 && at < cell.end; };
  const auto found = std::find_if(segments.begin(), segments.end(), holds);
  return found == segments.end() ? std::nullopt : std::optional(found->number);
}

result<analysis> analyze(byte_source& source, const encode_settings& settings, const interrupt& stop, arrival how) {
  analysis made;
  auto& plan = made.plan;
  const bool grows = how == arrival::growing;
  beginning part(source, grows ? usable_size(source) : source.size());
  auto scanned = scan(part, stop, how, settings.copy_source);
  if (!scanned) {
    const auto why = scanned.error().code;
    if (grows && part.size() < growing_surely && (why == errc::unsupported_media || why == errc::broken_media))
      return fail(errc::incomplete, scanned.error().text); // it may look otherwise with more
    return tl::unexpected(scanned.error());
  }
  plan.seen = grows ? part.size() : 0;
  plan.source = std::move(scanned->source);
  plan.identity = scanned->identity + settings.salt;
  plan.timescale = scanned->ticks.timescale;
  plan.tick_scale = scanned->ticks.tick_scale;
  plan.video_end = scanned->video_end;
  if (plan.source.video)
    plan.frame_rate = plan.source.video->frame_rate;
  plan.preset = settings.preset;
  plan.crf = settings.crf;
  plan.audio_anchors = std::move(scanned->audio_anchors);
  made.segments = std::move(scanned->segments);
  // A composition offset has 31 bits (ISO/IEC 14496-12 section 8.8.8), and a sample's duration just one more.
  if (scanned->widest_step > std::numeric_limits<std::int32_t>::max())
    return fail(errc::unsupported_media, "the video's frames are too far apart");
  for (const auto& cell : made.segments)
    if (cell.audio_end - cell.audio_start > most_audio)
      return fail(errc::unsupported_media, "the video's frames are more than ten minutes apart");

  plan_renditions(plan, *scanned);
  if (plan.source.video) {
    const auto choice = choose_encoder(settings.encoder, plan, scanned->colour);
    if (!choice)
      return tl::unexpected(choice.error());
    if (!choice->warning.empty())
      plan.source.warnings.push_back(choice->warning);
    for (auto& rendition : plan.renditions)
      if (rendition.kind == media_kind::video && rendition.encoder != copied)
        rendition.encoder = choice->name;
  }
  auto inits = make_init_segments(plan, *scanned);
  if (!inits)
    return tl::unexpected(inits.error());
  made.inits = std::move(*inits);
  return made;
}

} // namespace vp::media
