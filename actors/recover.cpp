#include "actors/recover.hpp"

#include "media/manifest.hpp"

#include <algorithm>
#include <set>
#include <system_error>

namespace vp {

namespace fs = std::filesystem;

namespace {

bool has_size(const fs::path& path, std::uint64_t size) {
  std::error_code problem;
  auto found = fs::file_size(path, problem);
  return !problem && found == size;
}

bool is_there(const fs::path& path) {
  std::error_code problem;
  return fs::is_regular_file(path, problem);
}

bool is_whole(const data_folder& folder, const video& video, const std::vector<stored_fragment>& fragments) {
  auto& hash = video.hash;
  auto fragment_is_there = [&](const stored_fragment& x) {
    return has_size(folder.media(hash, x.rendition) / media::fragment_name(x.segment), x.size);
  };
  std::set<std::string> renditions;
  for (auto& x : fragments)
    renditions.insert(x.rendition);
  auto head_is_there = [&](const std::string& id) {
    return is_there(folder.media(hash, id) / media::init_name())
           && is_there(folder.hls(hash) / (id.substr(0, id.rfind('-')) + ".m3u8"));
  };
  return is_there(folder.hls(hash) / "playlist.m3u8") && is_there(folder.dash(hash) / "manifest.mpd")
         && (!video.has_poster || is_there(folder.poster(hash)))
         && std::all_of(renditions.begin(), renditions.end(), head_is_there)
         && std::all_of(fragments.begin(), fragments.end(), fragment_is_there);
}

/// Every entry of a folder, looked at before any of them is removed.
std::vector<fs::directory_entry> entries(const fs::path& path) {
  std::vector<fs::directory_entry> all;
  std::error_code problem;
  for (fs::directory_iterator each{path, problem}, end; !problem && each != end; each.increment(problem))
    all.push_back(*each);
  return all;
}

/// Only names of ours: whoever keeps other files in the folder keeps them.
bool is_litter(const fs::path& name, const std::set<std::string>& hashes) {
  auto text = name.string();
  return is_trash(name) || (is_video_hash(text) && !hashes.contains(text));
}

/// What an interrupted write left in a video's folder.
std::uint32_t remove_partial_files(const fs::path& folder) {
  std::uint32_t removed = 0;
  for (auto& entry : entries(folder)) {
    auto extension = entry.path().extension();
    if (entry.is_directory() && !entry.is_symlink())
      removed += remove_partial_files(entry.path());
    else if (extension == ".tmp" && remove_tree(entry.path()))
      ++removed;
  }
  return removed;
}

class recoverer {
public:
  recoverer(database& db, const data_folder& folder, const recover_options& options)
      : db_(db), folder_(folder), options_(options) {}

  result<void> check(const video& video) {
    auto source_is_there = has_size(folder_.source(video.hash), video.file_size);
    switch (video.status) {
    case video_status::uploading:
      if ((source_is_there && !options_.machine_restarted) || video.received_chunks == 0)
        return {};
      ++found_.restarted;
      return db_.restart_upload(video.hash);
    case video_status::queued:
    case video_status::processing:
      return source_is_there ? result<void>{} : lose(video);
    case video_status::completed: {
      auto fragments = db_.fragments(video.hash);
      if (!fragments)
        return tl::unexpected(fragments.error());
      if (is_whole(folder_, video, *fragments))
        return {};
      if (!source_is_there)
        return lose(video);
      ++found_.requeued;
      return db_.requeue(video.hash);
    }
    case video_status::failed:
      return {};
    }
    return {};
  }

  void remove_litter(const std::vector<video>& videos) {
    std::set<std::string> hashes;
    for (auto& video : videos)
      hashes.insert(video.hash);
    for (auto& entry : entries(folder_.uploads()))
      if (is_litter(entry.path().filename(), hashes) && remove_tree(entry.path()))
        ++found_.removed;
    for (auto& hash : hashes)
      found_.removed += remove_partial_files(folder_.video(hash));
  }

  result<recovery> finish() {
    auto added = db_.enqueue_orphans();
    if (!added)
      return tl::unexpected(added.error());
    found_.enqueued = *added;
    return found_;
  }

private:
  result<void> lose(const video& video) {
    ++found_.failed;
    return db_.lose_source(video.hash, "The uploaded file is gone from the server's disk. Upload it again.");
  }

  database& db_;
  const data_folder& folder_;
  const recover_options& options_;
  recovery found_;
};

} // namespace

result<recovery> recover(database& db, const data_folder& folder, const recover_options& options) {
  if (options.exclusive)
    if (auto cleared = db.clear_claims(); !cleared)
      return tl::unexpected(cleared.error());
  auto videos = db.list();
  if (!videos)
    return tl::unexpected(videos.error());
  recoverer work{db, folder, options};
  for (auto& video : *videos)
    // Another process may just have deleted it.
    if (auto checked = work.check(video); !checked && checked.error().code != errc::not_found)
      return tl::unexpected(checked.error());
  if (options.exclusive)
    work.remove_litter(*videos);
  return work.finish();
}

} // namespace vp
