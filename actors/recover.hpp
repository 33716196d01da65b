#pragma once

#include "actors/data_folder.hpp"
#include "actors/database.hpp"

#include <cstdint>

namespace vp {

/// What start-up found and put right, for the log.
struct recovery {
  std::uint32_t requeued = 0;  ///< completed videos that miss files and are made again
  std::uint32_t failed = 0;    ///< videos whose source is gone as well
  std::uint32_t restarted = 0; ///< open uploads whose source file is gone, or may have lost what was written
  std::uint32_t enqueued = 0;  ///< jobs for videos that had work to do and no job
  std::uint32_t removed = 0;   ///< files and folders that belong to no video
};

struct recover_options {
  /// No other process works in this folder, so that every claim is an ended process's, and what has no row is litter.
  bool exclusive = true;
  /// As `folder_lock::machine_restarted`: an open upload's chunks may be lost though their rows are there. What is
  /// finalized or completed was made durable first.
  bool machine_restarted = false;
};

/// Makes database and disk agree, before any actor works with them.
///
/// A completed video is taken for whole when every file of it is there with the size that its row says.
result<recovery> recover(database& db, const data_folder& folder, const recover_options& options);

} // namespace vp
