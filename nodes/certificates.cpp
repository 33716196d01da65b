#include "nodes/certificates.hpp"

#include "nodes/credentials.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

namespace vp::nodes {

namespace fs = std::filesystem;

namespace {

std::string date(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return "a date that can't be read";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", parts);
}

/// What is wrong with the chain that ends at `subject`, with the dates that distrust() doesn't know.
std::string explain(int code, const X509* subject, const identity& who, role as) {
  switch (code) {
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return "expired on " + date(X509_get0_notAfter(subject));
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return fmt::format("is not valid before {}; by this machine's clock it is {:%Y-%m-%d %H:%M:%S}",
                       date(X509_get0_notBefore(subject)), fmt::gmtime(std::time(nullptr)));
  case X509_V_ERR_INVALID_PURPOSE:
    return fmt::format("was not issued for a {}", as == role::server ? "server" : "worker");
  default:
    return fmt::format("{} (ours is in {})", distrust(code), who.authority.string());
  }
}

} // namespace

identity identity_in(const fs::path& folder, const std::string& name) {
  return {folder / (name + ".pem"), folder / (name + ".key"), folder / "ca.pem"};
}

validity valid_for(std::chrono::days length) {
  const auto now = std::chrono::system_clock::now();
  return {now - std::chrono::hours(1), now + length};
}

result<std::string> check(const identity& who, role as) {
  auto own = read(who);
  if (!own)
    return tl::unexpected(own.error());
  const handle<X509_STORE> trusted{X509_STORE_new()};
  const handle<X509_STORE_CTX> chain{X509_STORE_CTX_new()};
  if (!trusted || !chain || X509_STORE_add_cert(trusted.get(), own->authority.get()) != 1
      || X509_STORE_CTX_init(chain.get(), trusted.get(), own->certificate.get(), nullptr) != 1
      || X509_STORE_CTX_set_purpose(chain.get(), as == role::server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT)
             != 1)
    return fail(errc::internal, "OpenSSL can't verify certificates");
  const auto trustworthy = X509_verify_cert(chain.get()) == 1;
  ERR_clear_error();
  if (!trustworthy) {
    const auto& file = X509_STORE_CTX_get_error_depth(chain.get()) == 0 ? who.certificate : who.authority;
    return fail(errc::invalid_request, fmt::format("{}: the certificate {}", file.string(),
                                                   explain(X509_STORE_CTX_get_error(chain.get()),
                                                           X509_STORE_CTX_get_current_cert(chain.get()), who, as)));
  }
  auto name = name_of(*own->certificate);
  if (!name)
    return fail(errc::invalid_request,
                fmt::format("{}: the certificate {}", who.certificate.string(), name.error().text));
  return name;
}

result<std::string> fingerprint(const fs::path& authority) {
  auto certificate = read_certificate(authority);
  if (!certificate)
    return tl::unexpected(certificate.error());
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  if (X509_digest(certificate->get(), EVP_sha256(), digest.data(), nullptr) != 1)
    return fail(errc::internal, "OpenSSL can't compute SHA-256");
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

} // namespace vp::nodes
