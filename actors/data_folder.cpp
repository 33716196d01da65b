#include "actors/data_folder.hpp"

#include "actors/messages.hpp"

#include <array>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace vp {

namespace fs = std::filesystem;

namespace {

/// Names the time since the machine was started; empty where the system has no such name.
std::string this_boot() {
#ifdef __APPLE__
  std::array<char, 64> id{};
  auto size = id.size();
  return ::sysctlbyname("kern.bootsessionuuid", id.data(), &size, nullptr, 0) == 0 ? id.data() : "";
#else
  std::ifstream from{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(from, id);
  return id;
#endif
}

} // namespace

result<folder_lock> folder_lock::take(const data_folder& folder, kind how) {
  if (auto made = make_folder(folder.uploads()); !made)
    return tl::unexpected(made.error());
  auto held = file::open(folder.lock(), file::mode::create);
  if (!held)
    return tl::unexpected(held.error());
  auto locked = held->try_lock(how == kind::exclusive);
  if (!locked)
    return tl::unexpected(locked.error());
  if (!*locked)
    return fail(errc::conflict, "another server already works in the data folder "
                                    + fs::absolute(folder.root()).string()
                                    + "; stop it, or give this one a folder of its own with --data");
  folder_lock lock{std::move(*held), how};
  if (auto entered = lock.enter(); !entered)
    return tl::unexpected(entered.error());
  return lock;
}

result<folder_lock> folder_lock::take_to_share(const data_folder& folder, std::chrono::milliseconds limit) {
  constexpr std::chrono::milliseconds pause{50};
  for (auto end = std::chrono::steady_clock::now() + limit;; std::this_thread::sleep_for(pause))
    for (auto how : {kind::exclusive, kind::shared})
      if (auto taken = take(folder, how); taken || taken.error().code != errc::conflict
                                          || (how == kind::shared && std::chrono::steady_clock::now() >= end))
        return taken;
}

result<void> folder_lock::share() {
  // The system lets go of the one lock before it takes the other: for a moment, somebody else may put things right too.
  constexpr std::chrono::milliseconds pause{20};
  for (;; std::this_thread::sleep_for(pause)) {
    auto locked = held_.try_lock(false);
    if (!locked)
      return tl::unexpected(locked.error());
    if (*locked) {
      kind_ = kind::shared;
      return {};
    }
  }
}

result<void> folder_lock::enter() {
  std::array<unsigned char, 64> before{};
  auto count = held_.read_at(0, before);
  if (!count)
    return tl::unexpected(count.error());
  auto now = this_boot();
  machine_restarted_ = *count > 0 && std::string{before.begin(), before.begin() + *count} != now;
  if (auto emptied = held_.resize(0); !emptied)
    return emptied;
  if (auto written = held_.write_at(0, {reinterpret_cast<const unsigned char*>(now.data()), now.size()}); !written)
    return written;
  return held_.sync();
}

result<void> folder_lock::settle() {
  if (!exclusive()) {
    auto alone = held_.try_lock(true);
    if (!alone || !*alone)
      return {}; // Others may still write.
  }
  if (auto synced = held_.sync_file_system(); !synced)
    return synced;
  if (auto emptied = held_.resize(0); !emptied)
    return emptied;
  return held_.sync();
}

result<void> move_to_trash(const data_folder& folder, std::string_view hash) {
  auto from = folder.video(hash);
  auto to = from;
  to += unique_suffix() + ".removed";
  std::error_code problem;
  fs::rename(from, to, problem);
  if (problem && problem != std::errc::no_such_file_or_directory)
    return fail(errc::io_failed, "removing " + from.string() + ": " + problem.message());
  return {};
}

result<void> empty_trash(const data_folder& folder) {
  std::error_code problem;
  std::vector<fs::path> trash; // looked at before any of it is removed
  for (fs::directory_iterator each{folder.uploads(), problem}, end; !problem && each != end; each.increment(problem))
    if (is_trash(each->path().filename()))
      trash.push_back(each->path());
  result<void> emptied;
  for (auto& path : trash)
    if (auto removed = remove_tree(path); !removed)
      emptied = removed;
  return emptied;
}

bool is_trash(const fs::path& name) {
  auto text = name.string();
  return text.size() > 64 && is_video_hash(text.substr(0, 64)) && text[64] == '.' && name.extension() == ".removed";
}

} // namespace vp
