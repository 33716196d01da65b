#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace vp {

/// What went wrong, coarse enough that a caller can decide what to do about it.
enum class errc : std::uint8_t {
  none = 0,
  invalid_request,   ///< the caller's words are off: never works by trying again
  not_found,         ///< no such video, chunk or file
  conflict,          ///< true in itself, but not in this state
  too_large,         ///< over a limit that the server sets
  unsupported_media, ///< a source that this server will not or cannot decode
  broken_media,      ///< a source that is damaged beyond use
  encoder_failed,    ///< an encoder, filter or muxer gave up; another try may work
  not_copyable,      ///< the source's own pictures are no rendition after all: encode them
  crashed,           ///< the encoder's process ended by its own doing while it worked on this
  disk_full,         ///< no space left
  io_failed,         ///< the disk or the database failed
  overloaded,        ///< too much at once; later it works
  incomplete,        ///< a source of which too little is there to tell
  not_arrived,       ///< bytes of an upload did not come in time
  timed_out,         ///< a deadline passed
  cancelled,         ///< somebody asked to stop
  stale,             ///< the claim belongs to another owner by now
  internal,          ///< a defect of ours
};

/// The name of a code as logs and metrics show it, such as `disk_full`.
const char* to_string(errc code) noexcept;

/// An error is a value: a code for programs and a sentence for people.
struct error {
  errc code = errc::internal;
  std::string text;

  friend bool operator==(const error&, const error&) = default;
};

template <class T>
using result = tl::expected<T, error>;

/// `return fail(errc::not_found, "no such video");`
inline tl::unexpected<error> fail(errc code, std::string text) {
  return tl::unexpected<error>(error{code, std::move(text)});
}

} // namespace vp
