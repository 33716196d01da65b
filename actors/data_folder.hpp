#pragma once

#include "actors/file.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace vp {

/// Where everything is in the folder given by `--data`. A value: copies are cheap enough and touch no disk.
///
///     vidpipeline.db, lock
///     uploads/<hash>/source
///     uploads/<hash>/{hls,dash}/            manifests
///     uploads/<hash>/media/<rendition id>/  init segment and fragments
///     uploads/<hash>/poster.jpg
class data_folder {
public:
  data_folder() = default;
  explicit data_folder(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path database() const { return root_ / "vidpipeline.db"; }
  std::filesystem::path lock() const { return root_ / "lock"; }
  std::filesystem::path uploads() const { return root_ / "uploads"; }
  std::filesystem::path video(std::string_view hash) const { return uploads() / hash; }
  std::filesystem::path source(std::string_view hash) const { return video(hash) / "source"; }
  std::filesystem::path hls(std::string_view hash) const { return video(hash) / "hls"; }
  std::filesystem::path dash(std::string_view hash) const { return video(hash) / "dash"; }
  std::filesystem::path media(std::string_view hash) const { return video(hash) / "media"; }
  std::filesystem::path media(std::string_view hash, std::string_view rendition) const {
    return media(hash) / rendition;
  }
  std::filesystem::path poster(std::string_view hash) const { return video(hash) / "poster.jpg"; }

private:
  std::filesystem::path root_;
};

/// Held for as long as a process works in a data folder.
class folder_lock {
public:
  enum class kind : std::uint8_t { exclusive, shared };

  /// Makes the folder where it is missing and locks it. `conflict` in words that name the folder if another process
  /// works there.
  static result<folder_lock> take(const data_folder& folder, kind how);

  /// For a process that shares the folder: exclusive if nobody else is there now, so that it can put things right
  /// before it calls `share`; else shared, once those who put things right are done. Waits for at most `limit`.
  static result<folder_lock> take_to_share(const data_folder& folder, std::chrono::milliseconds limit);

  /// Lets others in.
  result<void> share();

  bool exclusive() const noexcept { return kind_ == kind::exclusive; }

  /// Whether the machine has been started anew since the last process here, and that one did not `settle`: what was
  /// written and not made durable may be gone.
  bool machine_restarted() const noexcept { return machine_restarted_; }

  /// Makes all that was written durable, for the end of a process. Does nothing while others may still write.
  result<void> settle();

private:
  folder_lock(file held, kind how) : held_(std::move(held)), kind_(how) {}

  /// The lock file names the boot of the machine in which somebody may have written, or nothing.
  result<void> enter();

  file held_;
  kind kind_;
  bool machine_restarted_ = false;
};

/// Takes a video's folder out of sight under another name, which is quick. That there is none is no error.
result<void> move_to_trash(const data_folder& folder, std::string_view hash);

/// Does the slow part: removes all that was taken out of sight, in whichever process.
result<void> empty_trash(const data_folder& folder);

/// Whether an entry of `uploads` is one that `move_to_trash` made.
bool is_trash(const std::filesystem::path& name);

} // namespace vp
