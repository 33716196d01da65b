#include "nodes/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <system_error>

namespace vp::nodes {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_name = 63;
constexpr std::streamsize largest_file = 64 * 1024;

tl::unexpected<error> fault(const fs::path& path, std::string_view what) {
  return fail(errc::invalid_request, fmt::format("{}: {}", path.string(), what));
}

/// OpenSSL asks for a password at the terminal where nobody else answers.
int no_password(char* /*into*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return 0;
}

/// What `parse(BIO*)` makes of the file.
template <class T, class Parse>
result<handle<T>> read_pem(const fs::path& path, const char* kind, Parse parse) {
  errno = 0;
  std::ifstream in{path, std::ios::binary};
  if (!in)
    return fault(path, errno == ENOENT ? "there is no such file"
                                       : "can't be read: " + std::generic_category().message(errno));
  std::string text(largest_file, '\0');
  in.read(text.data(), largest_file);
  const handle<BIO> memory{BIO_new_mem_buf(text.data(), static_cast<int>(in.gcount()))};
  handle<T> parsed{memory ? parse(memory.get()) : nullptr};
  ERR_clear_error();
  if (!parsed)
    return fault(path, fmt::format("holds no {} in PEM", kind));
  return parsed;
}

} // namespace

result<handle<X509>> read_certificate(const fs::path& path) {
  return read_pem<X509>(path, "certificate",
                        [](BIO* from) { return PEM_read_bio_X509(from, nullptr, no_password, nullptr); });
}

result<handle<EVP_PKEY>> read_key(const fs::path& path) {
  auto key = read_pem<EVP_PKEY>(path, "private key without a password",
                                [](BIO* from) { return PEM_read_bio_PrivateKey(from, nullptr, no_password, nullptr); });
  if (!key)
    return key;
  std::error_code problem;
  const auto mode = fs::status(path, problem).permissions();
  if (problem)
    return fault(path, problem.message());
  // To read is all that a group may do, as where a service's user is not the owner.
  if ((mode & (fs::perms::group_write | fs::perms::others_all)) != fs::perms::none)
    return fault(path, fmt::format("other users of this machine can get at the key (mode {:04o}): chmod 600 it",
                                   static_cast<unsigned>(mode & fs::perms::mask)));
  return key;
}

result<credentials> read(const identity& who) {
  auto certificate = read_certificate(who.certificate);
  if (!certificate)
    return tl::unexpected(certificate.error());
  auto key = read_key(who.key);
  if (!key)
    return tl::unexpected(key.error());
  auto authority = read_certificate(who.authority);
  if (!authority)
    return tl::unexpected(authority.error());
  const auto match = X509_check_private_key(certificate->get(), key->get());
  ERR_clear_error();
  if (match != 1)
    return fault(who.key, fmt::format("this key does not belong to the certificate in {}", who.certificate.string()));
  return credentials{std::move(*certificate), std::move(*key), std::move(*authority)};
}

bool is_name(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= largest_name && plain(name.front()) && plain(name.back())
         && std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '-'; });
}

result<std::string> name_of(const X509& certificate) {
  // One more than the longest, and one for the end.
  std::array<char, largest_name + 2> text{};
  const auto size = X509_NAME_get_text_by_NID(X509_get_subject_name(&certificate), NID_commonName, text.data(),
                                              static_cast<int>(text.size()));
  std::string name(text.data(), static_cast<std::size_t>(std::max(size, 0)));
  if (!is_name(name))
    return fail(errc::invalid_request, "has no name as machines have them here");
  return name;
}

std::string distrust(long code) {
  switch (code) {
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
  case X509_V_ERR_CERT_SIGNATURE_FAILURE:
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    return "was issued by another authority";
  case X509_V_ERR_CERT_HAS_EXPIRED:
    return "has expired";
  case X509_V_ERR_CERT_NOT_YET_VALID:
    return "is not valid yet";
  case X509_V_ERR_INVALID_PURPOSE:
    return "was issued for another purpose";
  default:
    return fmt::format("can't be trusted ({})", X509_verify_cert_error_string(code));
  }
}

} // namespace vp::nodes
