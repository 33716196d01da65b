#include "actors/data_folder.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <unistd.h>

namespace vp {

namespace fs = std::filesystem;

bool is_video_hash(std::string_view text) noexcept {
  auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_digit);
}

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
  return folder_lock{std::move(*held), how};
}

result<fs::path> move_to_trash(const data_folder& folder, std::string_view hash) {
  static std::atomic<std::uint64_t> counter{0};
  auto from = folder.video(hash);
  auto to = from;
  to += "." + std::to_string(::getpid()) + "-" + std::to_string(++counter) + ".removed";
  std::error_code problem;
  fs::rename(from, to, problem);
  if (problem == std::errc::no_such_file_or_directory)
    return fs::path{};
  if (problem)
    return fail(errc::io_failed, "removing " + from.string() + ": " + problem.message());
  return to;
}

} // namespace vp
