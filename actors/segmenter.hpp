#pragma once

#include "actors/data_folder.hpp"
#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <map>
#include <string>
#include <vector>

namespace vp {

struct segmenter_state {
  static constexpr const char* name = "segmenter";

  data_folder folder;
  std::string video_hash;
  bool opened = false;
  media::plan plan;
  std::vector<media::segment> segments;
  /// What is on disk: by rendition id, then by number.
  std::map<std::string, std::map<std::uint32_t, stored_fragment>> fragments;
};

/// Owns the files of one video that are made of its source; blocks while it writes, so it is spawned detached. A file
/// appears under its name when it is whole. Init segments and the poster are durable when `open` answers, everything
/// else when `finish` does. Errors: `disk_full` (try again when there is space), `io_failed`, `conflict` (not open, or
/// not everything is there), and `not_found` from `open` without init segments where the disk has none either: the
/// source has to be analyzed anew.
segmenter_actor::behavior_type segmenter(segmenter_actor::stateful_pointer<segmenter_state> self, data_folder folder,
                                         std::string video_hash);

} // namespace vp
