#pragma once

#include "nodes/certificates.hpp"
#include "nodes/openssl.hpp"

/// What the files of an identity hold, for nodes/'s sources. Errors are `invalid_request` and name the file.
namespace vp::nodes {

result<handle<X509>> read_certificate(const std::filesystem::path& path);

/// Of a file that only its owner, and a group that may be let in, can read.
result<handle<EVP_PKEY>> read_key(const std::filesystem::path& path);

struct credentials {
  handle<X509> certificate;
  handle<EVP_PKEY> key; ///< the certificate's
  handle<X509> authority;
};

result<credentials> read(const identity& who);

/// Whether a certificate may be issued to it.
bool is_name(const std::string& name);

/// The name to which a certificate was issued; an error says what it lacks, as distrust() does.
result<std::string> name_of(const X509& certificate);

/// Why a certificate is not trusted, by OpenSSL's code (X509_V_ERR_...), as what follows its name: `has expired`.
std::string distrust(long code);

} // namespace vp::nodes
