#pragma once

#include "media/error.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vp {

/// An open file. Every call blocks, so only detached actors own one. Errors: `disk_full` (no space, quota),
/// `not_found`, `io_failed`.
class file {
public:
  enum class mode : std::uint8_t {
    read,   ///< must exist
    write,  ///< must exist; read and write
    create, ///< made where it is missing; read and write
    fresh,  ///< made, where there was none; read and write
  };

  static result<file> open(const std::filesystem::path& path, mode how);

  /// An empty file in this folder that nobody else can open: it has no name and is gone when it is closed.
  static result<file> nameless(const std::filesystem::path& folder);

  file() = default;
  file(file&& other) noexcept;
  file& operator=(file&& other) noexcept;
  ~file();

  explicit operator bool() const noexcept { return fd_ >= 0; }

  /// Writes all of `data` at `offset`.
  result<void> write_at(std::uint64_t offset, std::span<const unsigned char> data);

  /// Fewer bytes than `into` holds only at the end of the file.
  result<std::size_t> read_at(std::uint64_t offset, std::span<unsigned char> into) const;

  result<std::uint64_t> size() const;

  /// Whether this is the file that has this name now.
  bool is_at(const std::filesystem::path& path) const noexcept;

  /// Sets the size; what is new reads as zeros and takes no space yet.
  result<void> resize(std::uint64_t size);

  /// The content is on the disk when this returns.
  result<void> sync();

  /// Everything that was written to this file's file system is on the disk when this returns.
  result<void> sync_file_system();

  /// Asks the system to begin to write this range back, so that a later `sync` has less to do. Doesn't wait.
  void start_writeback(std::uint64_t offset, std::uint64_t length) noexcept;

  /// An exclusive or shared lock on the whole file, held until it is closed; false if somebody else holds one.
  result<bool> try_lock(bool exclusive);

  /// An exclusive lock on one byte, held until `unlock_byte` or until the file is closed; false if somebody else holds
  /// it, through another opening of the file here or in any process. The byte need not exist.
  result<bool> try_lock_byte(std::uint64_t offset);
  void unlock_byte(std::uint64_t offset) noexcept;

private:
  explicit file(int fd) noexcept : fd_(fd) {}

  int fd_ = -1;
};

/// What follows a file's name so that nobody else, here or in another process, uses the same at the same time.
std::string unique_suffix();

/// Whether a file's content must be on the disk before it gets its name, or may come later by `sync_file`.
enum class durable : std::uint8_t { now, later };

/// The file appears under its name when it is whole, or not at all: written beside it as `*.tmp`, then renamed.
result<void> write_file_atomically(const std::filesystem::path& path, std::span<const unsigned char> data,
                                   durable when);
result<void> write_file_atomically(const std::filesystem::path& path, std::string_view text, durable when);

/// Makes a file's content durable, or with a folder the names in it.
result<void> sync_file(const std::filesystem::path& path);
result<void> sync_folder(const std::filesystem::path& path);

/// Removes a file or folder with all that is in it. Links are removed, not followed; what isn't there is no error.
result<void> remove_tree(const std::filesystem::path& path);

/// Makes a folder and those above it.
result<void> make_folder(const std::filesystem::path& path);

/// Bytes that this process could still write to the disk that holds `path`.
result<std::uint64_t> free_space(const std::filesystem::path& path);

} // namespace vp
