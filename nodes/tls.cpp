#include "nodes/tls.hpp"

#include <boost/asio/ssl/error.hpp>
#include <fmt/format.h>

#include <openssl/err.h>

namespace vp::nodes {

result<handle<SSL_CTX>> tls_context(const identity& who, role as) {
  auto own = read(who);
  if (!own)
    return tl::unexpected(own.error());
  handle<SSL_CTX> context{SSL_CTX_new(as == role::server ? TLS_server_method() : TLS_client_method())};
  auto* raw = context.get();
  if (!raw || SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1
      || SSL_CTX_use_certificate(raw, own->certificate.get()) != 1 || SSL_CTX_use_PrivateKey(raw, own->key.get()) != 1
      || X509_STORE_add_cert(SSL_CTX_get_cert_store(raw), own->authority.get()) != 1
      // A resumed session would not be asked for its certificate again.
      || SSL_CTX_set_num_tickets(raw, 0) != 1) {
    ERR_clear_error();
    return fail(errc::invalid_request,
                fmt::format("{}: OpenSSL accepts no such certificate or key", who.certificate.string()));
  }
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  // By default OpenSSL also checks that the certificate's purpose is the other end's.
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

int tls_reason(const boost::system::error_code& failure) {
  if (failure.category() != boost::asio::error::get_ssl_category())
    return 0;
  return ERR_GET_REASON(static_cast<unsigned long>(static_cast<unsigned>(failure.value())));
}

std::optional<std::string> told_by_peer(int reason) {
  switch (reason) {
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
  case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: // an authority of the same name, but another key
    return "it was issued by another authority";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    return "it has expired";
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: // OpenSSL has no alert of its own for it
    return "it is not valid yet by the other end's clock, or damaged";
  case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    return "it was issued for another purpose";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    return "it was revoked";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    return "it can't be trusted";
  default:
    return std::nullopt;
  }
}

std::string place(const std::string& host, std::uint16_t port) {
  const auto numeric = host.find(':') != std::string::npos; // IPv6
  return numeric ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

} // namespace vp::nodes
