#pragma once

#include "media/error.hpp"

#include <boost/beast/core/file_posix.hpp>

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <span>
#include <string>

namespace vp::http {

/// A regular file, open for reading.
struct open_file {
  boost::beast::file_posix handle;
  std::uint64_t size = 0; ///< bytes
  std::uint64_t inode = 0;
  std::timespec modified{};
};

/// A folder whose files are served, and no others: the kernel resolves every path below it and lets no `..` and
/// no symbolic link lead out. Names that begin with a dot are not served.
class file_root {
public:
  static result<file_root> open(const std::filesystem::path& folder);

  /// `not_found` for whatever is not a regular file below the folder.
  result<open_file> find(std::span<const std::string> segments) const;

private:
  explicit file_root(boost::beast::file_posix folder) : folder_(std::move(folder)) {}

  boost::beast::file_posix folder_;
};

} // namespace vp::http
