#pragma once

#include <mutex>
#include <shared_mutex>

namespace vp::media {

/// Which of FFmpeg's routines are chosen, those of plain C or those for this processor.
///
/// Its floating-point routines for newer processors round otherwise, and audio must come out the same to the byte on
/// every machine, so plain C is the rule; what is lost is a third of the speed of an AAC encoder, which is little.
/// Pictures, whose routines are exact, are the exception. FFmpeg keeps the choice for the whole process and looks at it
/// whenever something is set up, which for some codecs is in the middle of a stream.

/// While one of these lives there is no `native_math` anywhere: for opening and decoding audio. Not for use twice at
/// once by one thread.
class portable_math {
public:
  portable_math();

private:
  std::shared_lock<std::shared_mutex> lock_;
};

/// While one of these lives, what FFmpeg sets up is as fast as the processor allows. Everybody else's audio waits, so
/// it is for setting up only: opening decoders, scalers and filters of pictures, and a decoder's first picture, with
/// which most choose. A place where it is forgotten costs speed, never bytes.
class native_math {
public:
  native_math();
  native_math(const native_math&) = delete;
  native_math& operator=(const native_math&) = delete;
  ~native_math();

private:
  std::unique_lock<std::shared_mutex> lock_;
};

/// What `native_math` takes the processor for, as `AV_CPU_FLAG_*`; returns what it was before. For tests.
int pretend_processor(int flags);

} // namespace vp::media
