#pragma once

#include <mutex>
#include <shared_mutex>

namespace vp::media {

/// While one of these lives, everything that FFmpeg sets up is plain C. Its floating-point routines for newer
/// processors round otherwise, and audio must come out the same to the byte on every machine; what is lost is a third
/// of the speed of an AAC encoder, which is little. FFmpeg keeps this choice for the whole process, so hold it only
/// while contexts are being opened.
class portable_math {
public:
  portable_math();
  portable_math(const portable_math&) = delete;
  portable_math& operator=(const portable_math&) = delete;
  ~portable_math();

private:
  std::unique_lock<std::shared_mutex> lock_;
  int flags_;
};

/// While one of these lives there is no `portable_math` anywhere, so that what FFmpeg sets up is as fast as the
/// processor allows. For pictures, whose routines are exact: decoders and scalers pick theirs when they are opened or
/// first used.
class native_math {
public:
  native_math();

private:
  std::shared_lock<std::shared_mutex> lock_;
};

} // namespace vp::media
