#pragma once

#include "media/byte_source.hpp"
#include "tests/support/temporary_folder.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// Clips for the tests, made by the `ffmpeg` program when they are first wanted and kept in the build folder.
namespace clips {

/// The clip of this name, as `ffmpeg <arguments> <file>` makes it; the extension chooses the container. `{dir}` in the
/// arguments is the folder of the clips.
std::filesystem::path make(const std::string& name, const std::string& arguments);

/// A lavfi source whose pictures tell their number and where their corners are: see `player::frame_number` and
/// `player::corners`.
std::string numbered(int width, int height, const std::string& rate, int frames);

/// A tone on each channel, 1 kHz and 1.5 kHz for instance, full scale / 4: `-f lavfi -i "<this>"`.
std::string tones(const std::vector<double>& frequencies, int rate, double seconds, const std::string& layout);

std::vector<unsigned char> read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::span<const unsigned char> bytes);

/// What a command prints; fails the test when it fails.
std::string output_of(const std::string& command);

/// Watches this process's memory.
class memory_watch {
public:
  memory_watch();

  /// How far the resident set has been above what it was at the beginning, in megabytes.
  long peak() const;

private:
  long before_;
};

/// Bytes in memory as a source.
class memory_source : public vp::media::byte_source {
public:
  explicit memory_source(std::vector<unsigned char> bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const noexcept override { return bytes_.size(); }
  vp::result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;

private:
  std::vector<unsigned char> bytes_;
};

} // namespace clips
