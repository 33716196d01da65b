// Making certificates; nodes/certificates.hpp says what.

#include "nodes/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <initializer_list>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace vp::nodes {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::days authority_length{3653}; // ten years
constexpr mode_t for_owner = 0600;
constexpr mode_t for_all = 0644;

tl::unexpected<error> openssl_failure() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const auto* reason = ERR_reason_error_string(code);
  return fail(errc::internal, fmt::format("OpenSSL can't make a certificate: {}", reason ? reason : "unknown reason"));
}

tl::unexpected<error> file_failure(const fs::path& path, int problem) {
  if (problem == EEXIST)
    return fail(errc::conflict, fmt::format("{} is there already", path.string()));
  return fail(problem == ENOSPC || problem == EDQUOT ? errc::disk_full : errc::io_failed,
              fmt::format("writing {}: {}", path.string(), std::generic_category().message(problem)));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR)
      return false;
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// The file appears when it is whole, or not at all, and is nobody else's to read before `mode` says so.
result<void> publish(const fs::path& path, std::string_view text, mode_t mode, existing files) {
  auto temporary = path.string() + ".XXXXXX";
  const auto fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0)
    return file_failure(path, errno);
  auto problem = write_all(fd, text) && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  // Unlike a rename, a link takes no name from another file.
  if (problem == 0
      && (files == existing::replace ? ::rename(temporary.c_str(), path.c_str())
                                     : ::link(temporary.c_str(), path.c_str()))
             != 0)
    problem = errno;
  ::unlink(temporary.c_str());
  if (problem != 0)
    return file_failure(path, problem);
  return {};
}

/// What `write(BIO*)` writes.
template <class Write>
result<std::string> to_pem(Write write) {
  const handle<BIO> memory{BIO_new(BIO_s_mem())};
  if (!memory || write(memory.get()) != 1)
    return openssl_failure();
  char* data = nullptr;
  const auto size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

/// A key and what was certified about it; the key comes first, so that a certificate is never without.
result<void> publish(const identity& who, EVP_PKEY* key, X509* certificate, existing files) {
  auto secret =
      to_pem([&](BIO* to) { return PEM_write_bio_PKCS8PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr); });
  auto open = to_pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
  if (!secret || !open)
    return tl::unexpected(secret ? open.error() : secret.error());
  return publish(who.key, *secret, for_owner, files).and_then([&] {
    return publish(who.certificate, *open, for_all, files);
  });
}

result<void> must_be_missing(const identity& who) {
  std::error_code ignored;
  for (const auto& path : {who.key, who.certificate})
    if (fs::exists(path, ignored))
      return file_failure(path, EEXIST);
  return {};
}

handle<EVP_PKEY> make_key() {
  return handle<EVP_PKEY>{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
}

struct extension {
  int kind;
  std::string value;
};

bool add(X509* to, X509* issuer, const extension& what) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const handle<X509_EXTENSION> made{X509V3_EXT_conf_nid(nullptr, &context, what.kind, what.value.c_str())};
  return made && X509_add_ext(to, made.get(), -1) == 1;
}

bool set_random_serial(X509* of) {
  const handle<BIGNUM> number{BN_new()};
  return number && BN_rand(number.get(), 128, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1
         && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(of)) != nullptr;
}

bool set_name(X509* of, const std::string& name) {
  const auto* text = reinterpret_cast<const unsigned char*>(name.data());
  return X509_NAME_add_entry_by_NID(X509_get_subject_name(of), NID_commonName, MBSTRING_UTF8, text,
                                    static_cast<int>(name.size()), -1, 0)
         == 1;
}

bool set_validity(X509* of, const validity& when) {
  using std::chrono::system_clock;
  return ASN1_TIME_set(X509_getm_notBefore(of), system_clock::to_time_t(when.from)) != nullptr
         && ASN1_TIME_set(X509_getm_notAfter(of), system_clock::to_time_t(when.until)) != nullptr;
}

/// Who signs: of an authority that signs itself there is no certificate yet.
struct signer {
  X509* certificate;
  EVP_PKEY* key;
};

result<handle<X509>> certify(const std::string& name, EVP_PKEY* key, const signer& by, const validity& when,
                             std::initializer_list<extension> extensions) {
  handle<X509> made{X509_new()};
  auto* issuer = by.certificate ? by.certificate : made.get();
  const auto good = made && X509_set_version(made.get(), X509_VERSION_3) == 1 && set_random_serial(made.get())
                    && set_name(made.get(), name)
                    && X509_set_issuer_name(made.get(), X509_get_subject_name(issuer)) == 1
                    && set_validity(made.get(), when) && X509_set_pubkey(made.get(), key) == 1
                    && std::all_of(extensions.begin(), extensions.end(),
                                   [&](const extension& one) { return add(made.get(), issuer, one); })
                    && X509_sign(made.get(), by.key, EVP_sha256()) > 0;
  if (!good)
    return openssl_failure();
  return made;
}

/// The authority's own identity: what it trusts is itself.
identity authority_in(const fs::path& folder) {
  return identity_in(folder, "ca");
}

result<void> make_folder(const fs::path& folder) {
  const auto whole = folder.has_filename() ? folder : folder.parent_path(); // `certs/`
  std::error_code problem;
  if (whole.has_parent_path())
    fs::create_directories(whole.parent_path(), problem);
  if (problem)
    return file_failure(whole, problem.value());
  if (::mkdir(whole.c_str(), 0700) != 0 && (errno != EEXIST || !fs::is_directory(whole, problem)))
    return file_failure(whole, errno);
  return {};
}

} // namespace

result<void> make_authority(const fs::path& folder) {
  const auto files = authority_in(folder);
  if (auto free = make_folder(folder).and_then([&] { return must_be_missing(files); }); !free)
    return free;
  const auto key = make_key();
  if (!key)
    return openssl_failure();
  auto certificate = certify("VidPipeline authority", key.get(), {nullptr, key.get()}, valid_for(authority_length),
                             {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                              {NID_key_usage, "critical,keyCertSign"},
                              {NID_subject_key_identifier, "hash"}});
  if (!certificate)
    return tl::unexpected(certificate.error());
  return publish(files, key.get(), certificate->get(), existing::keep);
}

result<void> issue(const fs::path& folder, const std::string& name, role as, const validity& when, existing files) {
  // `ca` would take the place of the authority.
  if (!is_name(name) || name == "ca" || name == local_node)
    return fail(errc::invalid_request,
                fmt::format("'{}' can't be a machine's name: those have 1 to 63 of a-z, 0-9, '.' and '-', with a "
                            "letter or digit at both ends, and are neither 'ca' nor 'local'",
                            name));
  const auto authority_files = authority_in(folder);
  std::error_code ignored;
  for (const auto& path : {authority_files.certificate, authority_files.key})
    if (!fs::exists(path, ignored))
      return fail(errc::not_found,
                  fmt::format("there is no authority in {}: {} is missing", folder.string(), path.filename().string()));
  const auto made = identity_in(folder, name);
  if (files == existing::keep)
    if (auto free = must_be_missing(made); !free)
      return free;
  auto authority = read(authority_files);
  if (!authority)
    return tl::unexpected(authority.error());
  const auto key = make_key();
  if (!key)
    return openssl_failure();
  auto certificate = certify(name, key.get(), {authority->certificate.get(), authority->key.get()}, when,
                             {{NID_basic_constraints, "critical,CA:FALSE"},
                              {NID_key_usage, "critical,digitalSignature"},
                              {NID_ext_key_usage, as == role::server ? "serverAuth,clientAuth" : "clientAuth"},
                              {NID_subject_key_identifier, "hash"},
                              {NID_authority_key_identifier, "keyid:always"},
                              {NID_subject_alt_name, "DNS:" + name}});
  if (!certificate)
    return tl::unexpected(certificate.error());
  return publish(made, key.get(), certificate->get(), files);
}

} // namespace vp::nodes
