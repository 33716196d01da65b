#pragma once

namespace vp::nodes {

/// Has every call that reads or writes over TLS, in all of the process and its libraries, begin with an empty queue of
/// OpenSSL's errors. OpenSSL asks that of its callers (SSL_get_error(3)), and CAF 0.17.6 does not do it: there the
/// error of one link, such as a peer that was killed or a stranger that speaks no TLS, ends all others of the same
/// thread.
///
/// To link this function is what does it, where the system lets a program take the place of a library's functions
/// (ELF; not macOS).
void clear_openssl_errors();

} // namespace vp::nodes
