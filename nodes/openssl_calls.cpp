#include "nodes/openssl_calls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#ifdef __ELF__

#include <cstdlib>
#include <dlfcn.h>

namespace {

/// The library's own function of this name.
template <class Function>
Function* original(const char* name) {
  auto* const found = ::dlsym(RTLD_NEXT, name);
  if (!found)
    std::abort();
  return reinterpret_cast<Function*>(found);
}

} // namespace

extern "C" {

int SSL_read(SSL* ssl, void* into, int size) {
  static auto* const call = original<decltype(SSL_read)>("SSL_read");
  ERR_clear_error();
  return call(ssl, into, size);
}

int SSL_write(SSL* ssl, const void* from, int size) {
  static auto* const call = original<decltype(SSL_write)>("SSL_write");
  ERR_clear_error();
  return call(ssl, from, size);
}

int SSL_accept(SSL* ssl) {
  static auto* const call = original<decltype(SSL_accept)>("SSL_accept");
  ERR_clear_error();
  return call(ssl);
}

int SSL_connect(SSL* ssl) {
  static auto* const call = original<decltype(SSL_connect)>("SSL_connect");
  ERR_clear_error();
  return call(ssl);
}
}

#endif

namespace vp::nodes {

void clear_openssl_errors() {}

} // namespace vp::nodes
