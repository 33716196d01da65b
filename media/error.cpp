#include "media/error.hpp"

namespace vp {

const char* to_string(errc code) noexcept {
  switch (code) {
  case errc::none:
    return "none";
  case errc::invalid_request:
    return "invalid_request";
  case errc::not_found:
    return "not_found";
  case errc::conflict:
    return "conflict";
  case errc::too_large:
    return "too_large";
  case errc::unsupported_media:
    return "unsupported_media";
  case errc::broken_media:
    return "broken_media";
  case errc::encoder_failed:
    return "encoder_failed";
  case errc::not_copyable:
    return "not_copyable";
  case errc::crashed:
    return "crashed";
  case errc::disk_full:
    return "disk_full";
  case errc::io_failed:
    return "io_failed";
  case errc::overloaded:
    return "overloaded";
  case errc::incomplete:
    return "incomplete";
  case errc::not_arrived:
    return "not_arrived";
  case errc::timed_out:
    return "timed_out";
  case errc::cancelled:
    return "cancelled";
  case errc::stale:
    return "stale";
  case errc::internal:
    return "internal";
  }
  return "unknown";
}

} // namespace vp
