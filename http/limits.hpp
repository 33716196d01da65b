#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vp::http {

/// How much and how long a client may take.
struct limits {
  std::size_t header = 16 * 1024;            ///< bytes of request line and fields
  std::size_t target = 8 * 1024;             ///< bytes of the request's target
  std::uint64_t json_body = 1024 * 1024;     ///< bytes
  std::uint64_t chunk = 64ull * 1024 * 1024; ///< bytes of one chunk of an upload
  std::size_t connections = 12'000;          ///< beyond, new ones are told 503; fewer where files are scarce

  std::chrono::milliseconds header_time{15'000}; ///< from the first byte of a request to the end of its header
  std::chrono::milliseconds idle_time{120'000};  ///< between two requests, and before the first
  std::chrono::milliseconds body_idle{30'000};   ///< between two pieces of a body
  std::chrono::milliseconds write_idle{60'000};  ///< while a reader takes nothing
  /// Bytes per second that a body must come with and a response be taken with at least, after a grace of the idle time.
  std::uint64_t body_rate = 4 * 1024;
  std::uint64_t write_rate = 4 * 1024;

  std::chrono::milliseconds answer_time{10'000};    ///< for an actor that looks something up
  std::chrono::milliseconds disk_time{90'000};      ///< for one that writes
  std::chrono::milliseconds finalize_time{300'000}; ///< for one that makes a whole upload durable

  std::chrono::milliseconds fragment_time{100'000}; ///< for a fragment that is not there yet

  std::chrono::milliseconds owner_time{10'000}; ///< for another server of the same data folder

  std::uint64_t free_space =
      64ull * 1024 * 1024; ///< bytes on the data folder's disk below which the server is not ready
};

/// How fast a peer is, and how long it may therefore take for its next bytes.
struct pace {
  std::chrono::nanoseconds idle; ///< at most
  std::uint64_t rate;            ///< bytes per second on the whole, but for a grace of `idle`
  std::uint64_t bytes = 0;
  std::chrono::nanoseconds waited{}; ///< for the peer; the time that the server takes is not its fault

  std::chrono::nanoseconds patience() const {
    const std::chrono::duration<double> earned{static_cast<double>(bytes) / static_cast<double>(rate)};
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(earned) + idle - waited;
    return std::clamp(left, std::chrono::nanoseconds::zero(), idle);
  }
};

} // namespace vp::http
