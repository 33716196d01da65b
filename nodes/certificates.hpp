#pragma once

#include "media/error.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

/// Who may join: an authority of the server's own issues a certificate to each machine, and no other counts.
namespace vp::nodes {

/// How one machine shows who it is, and whom it believes: three files in PEM.
struct identity {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority; ///< the certificate of the one authority that it trusts
};

/// `NAME.pem`, `NAME.key` and `ca.pem` of a folder.
identity identity_in(const std::filesystem::path& folder, const std::string& name);

/// What a certificate is good for. A worker's can't play the server; a server's can do both.
enum class role : std::uint8_t { server, worker };

/// When a certificate is good.
struct validity {
  std::chrono::system_clock::time_point from;
  std::chrono::system_clock::time_point until;
};

/// From now on; in truth from an hour ago, for the clocks of two machines differ.
validity valid_for(std::chrono::days length);

/// What becomes of files that are there already.
enum class existing : std::uint8_t { keep, replace };

/// Makes the folder, for its owner alone, and in it `ca.key` and `ca.pem`, which is good for ten years. Errors:
/// `conflict` where one of them is there, `io_failed`, `disk_full`.
result<void> make_authority(const std::filesystem::path& folder);

/// The name of the node that a server's own workers are, which have no certificate.
inline constexpr auto local_node = "local";

/// Makes `NAME.key` and `NAME.pem` with the folder's authority. A name consists of a-z, 0-9, `.` and `-`, begins and
/// ends with one of the first two, has at most 63 characters, and is neither `ca` nor `local_node`. Errors:
/// `invalid_request` (the name), `not_found` (no authority there), `conflict` (files are there, to be kept),
/// `io_failed`, `disk_full`.
result<void> issue(const std::filesystem::path& folder, const std::string& name, role as, const validity& when,
                   existing files = existing::keep);

/// The name in a certificate that another end will accept from `as`, now and by this machine's clock. Any error is
/// `invalid_request` and says which file is at fault, and how. A key that other users of the machine can read is one:
/// with it they could be this worker, and get people's videos; the mend is one chmod.
result<std::string> check(const identity& who, role as);

/// SHA-256 of an authority's certificate, as 64 hex digits: two machines with the same belong together. An error is
/// `invalid_request`.
result<std::string> fingerprint(const std::filesystem::path& authority);

} // namespace vp::nodes
