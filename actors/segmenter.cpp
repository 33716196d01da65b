#include "actors/segmenter.hpp"

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "media/manifest.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace vp {

namespace fs = std::filesystem;

namespace {

fs::path init_file(const segmenter_state& state, const std::string& rendition) {
  return state.folder.media(state.video_hash, rendition) / media::init_name();
}

fs::path fragment_file(const segmenter_state& state, const std::string& rendition, std::uint32_t number) {
  return state.folder.media(state.video_hash, rendition) / media::fragment_name(number);
}

/// 0 where there is no file.
std::uint64_t size_of(const fs::path& path) {
  std::error_code problem;
  auto size = fs::file_size(path, problem);
  return problem ? 0 : size;
}

result<void> make_folders(const segmenter_state& state) {
  for (const auto& rendition : state.plan.renditions)
    if (auto made = make_folder(state.folder.media(state.video_hash, rendition.id)); !made)
      return made;
  if (auto made = make_folder(state.folder.hls(state.video_hash)); !made)
    return made;
  return make_folder(state.folder.dash(state.video_hash));
}

result<void> write_head(const segmenter_state& state, const media::analysis& what) {
  for (const auto& init : what.inits)
    if (auto written = write_file_atomically(init_file(state, init.rendition), init.bytes, durable::now); !written)
      return written;
  for (const auto& rendition : state.plan.renditions)
    if (size_of(init_file(state, rendition.id)) == 0)
      return fail(errc::not_found, "the init segment of " + rendition.id + " is missing");
  return {};
}

/// What becomes of a fragment that is not there.
enum class missing : std::uint8_t { refuse, promise };

/// As the manifests speak of it before it is there: at the rendition's nominal rate.
media::manifest_entry promised_entry(const media::rendition& rendition, std::uint32_t timescale,
                                     const media::segment& cell) {
  media::manifest_entry entry;
  if (rendition.kind == media::media_kind::video) {
    entry.start = cell.start;
    entry.duration = cell.end - cell.start;
  } else {
    entry.start = cell.audio_start * media::audio_frame_size;
    entry.duration = (cell.audio_end - cell.audio_start) * media::audio_frame_size;
  }
  const auto seconds = static_cast<double>(entry.duration) / timescale;
  entry.bytes = static_cast<std::uint64_t>(rendition.bitrate * seconds / 8);
  return entry;
}

/// All tracks in the plan's order, if every cell has what it should have.
result<media::presentation> gather(const segmenter_state& state, missing what_is_missing) {
  media::presentation all{{}, state.plan.frame_rate, state.plan.grows()};
  for (const auto& rendition : state.plan.renditions) {
    auto timescale =
        rendition.kind == media::media_kind::video ? state.plan.timescale : std::uint32_t{media::audio_sample_rate};
    media::manifest_track track{rendition, timescale, {}};
    const auto of_rendition = state.fragments.find(rendition.id);
    for (const auto& cell : state.segments) {
      if (!has_media(rendition, cell))
        continue;
      if (of_rendition != state.fragments.end() && of_rendition->second.contains(cell.number)) {
        const auto& x = of_rendition->second.at(cell.number);
        track.entries.push_back({x.start, x.duration, x.size});
      } else if (what_is_missing == missing::promise) {
        track.entries.push_back(promised_entry(rendition, timescale, cell));
      } else {
        return fail(errc::conflict, "segment " + std::to_string(cell.number) + " of " + rendition.id + " is missing");
      }
    }
    all.tracks.push_back(std::move(track));
  }
  return all;
}

result<void> write_manifests(const segmenter_state& state, const media::presentation& all, durable when) {
  auto hls = state.folder.hls(state.video_hash);
  for (const auto& track : all.tracks)
    if (auto written =
            write_file_atomically(hls / (track.rendition.name + ".m3u8"), media::media_playlist(all, track), when);
        !written)
      return written;
  if (auto written =
          write_file_atomically(state.folder.dash(state.video_hash) / "manifest.mpd", media::dash_manifest(all), when);
      !written)
    return written;
  if (auto written = write_file_atomically(hls / "playlist.m3u8", media::multivariant_playlist(all), when); !written)
    return written;
  return when == durable::now ? sync_folder(state.folder.video(state.video_hash)) : result<void>{};
}

result<std::vector<stored_fragment>> open(segmenter_state& state, const media::analysis& what,
                                          const std::vector<stored_fragment>& known) {
  state.opened = false;
  state.plan = what.plan;
  state.segments = what.segments;
  state.fragments.clear();
  if (auto made = make_folders(state); !made)
    return tl::unexpected(made.error());
  if (auto written = write_head(state, what); !written)
    return tl::unexpected(written.error());
  std::vector<stored_fragment> there;
  for (const auto& x : known) {
    auto in_plan = std::any_of(state.plan.renditions.begin(), state.plan.renditions.end(),
                               [&](const auto& rendition) { return rendition.id == x.rendition; });
    if (in_plan && x.size > 0 && size_of(fragment_file(state, x.rendition, x.segment)) == x.size) {
      state.fragments[x.rendition][x.segment] = x;
      there.push_back(x);
    }
  }
  // From here on it can be watched; what is not there is asked for.
  auto promised = gather(state, missing::promise);
  if (auto written = write_manifests(state, *promised, durable::later); !written)
    return tl::unexpected(written.error());
  state.opened = true;
  return there;
}

result<void> grow(segmenter_state& state, const media::analysis& what) {
  if (!state.opened)
    return fail(errc::conflict, "the segmenter is not open");
  if (what.plan.renditions != state.plan.renditions)
    return fail(errc::stale, "the video is planned otherwise by now");
  state.plan = what.plan;
  state.segments = what.segments;
  return write_manifests(state, *gather(state, missing::promise), durable::later);
}

result<std::vector<stored_fragment>> store(segmenter_state& state, const segment_result& what) {
  if (!state.opened)
    return fail(errc::conflict, "the segmenter is not open");
  std::vector<stored_fragment> stored;
  for (const auto& x : what.fragments) {
    const auto is_poster = x.rendition == media::poster_id;
    if (is_poster && x.data.size() == 0)
      continue; // none could be made
    auto path = is_poster ? state.folder.poster(state.video_hash) : fragment_file(state, x.rendition, x.segment);
    if (auto written = write_file_atomically(path, x.data.view(), durable::later); !written)
      return tl::unexpected(written.error());
    stored.push_back({x.rendition, x.segment, x.start, x.duration, x.data.size()});
    if (!is_poster)
      state.fragments[x.rendition][x.segment] = stored.back();
  }
  return stored;
}

result<void> sync_media(const segmenter_state& state) {
  for (const auto& [rendition, numbers] : state.fragments) {
    for (const auto& [number, x] : numbers)
      if (auto synced = sync_file(fragment_file(state, rendition, number)); !synced)
        return synced;
    if (auto synced = sync_folder(state.folder.media(state.video_hash, rendition)); !synced)
      return synced;
  }
  return sync_folder(state.folder.media(state.video_hash));
}

/// What an earlier plan left. The new manifests don't name it any more.
void remove_other_renditions(const segmenter_state& state) {
  std::error_code problem;
  std::vector<fs::path> others;
  fs::directory_iterator entries{state.folder.media(state.video_hash), problem};
  for (; !problem && entries != fs::directory_iterator{}; entries.increment(problem)) {
    auto is_ours = [&](const auto& rendition) { return entries->path().filename() == rendition.id; };
    if (std::none_of(state.plan.renditions.begin(), state.plan.renditions.end(), is_ours))
      others.push_back(entries->path());
  }
  for (const auto& path : others)
    if (!remove_tree(path))
      return; // Litter does no harm.
}

result<void> finish(const segmenter_state& state) {
  if (!state.opened)
    return fail(errc::conflict, "the segmenter is not open");
  auto all = gather(state, missing::refuse);
  if (!all)
    return tl::unexpected(all.error());
  if (auto synced = sync_media(state); !synced)
    return synced;
  if (auto written = write_manifests(state, *all, durable::now); !written)
    return written;
  remove_other_renditions(state);
  return {};
}

} // namespace

segmenter_actor::behavior_type segmenter(segmenter_actor::stateful_pointer<segmenter_state> self, data_folder folder,
                                         std::string video_hash) {
  self->state.folder = std::move(folder);
  self->state.video_hash = std::move(video_hash);
  return {
      [self](open_atom, const media::analysis& what, const std::vector<stored_fragment>& known) {
        return to_caf(open(self->state, what, known));
      },
      [self](grow_atom, const media::analysis& what) { return to_caf(grow(self->state, what)); },
      [self](store_atom, const segment_result& what) { return to_caf(store(self->state, what)); },
      [self](finish_atom) { return to_caf(finish(self->state)); },
  };
}

} // namespace vp
