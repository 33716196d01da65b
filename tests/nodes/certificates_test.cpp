#include "nodes/certificates.hpp"
#include "tests/support/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

using namespace vp;
using namespace vp::nodes;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::days year{365};

std::string content(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

unsigned mode(const fs::path& path) {
  return static_cast<unsigned>(fs::status(path).permissions());
}

std::set<std::string> names(const fs::path& folder) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator{folder})
    found.insert(entry.path().filename().string());
  return found;
}

/// What is wrong with an identity, after the name of `file`, which is at fault.
std::string fault(const identity& who, const fs::path& file, role as = role::worker) {
  const auto checked = check(who, as);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == errc::invalid_request);
  REQUIRE_THAT(checked.error().text, StartsWith(file.string() + ": "));
  return checked.error().text.substr(file.string().size() + 2);
}

/// An authority and a worker of it.
struct certified {
  certified() {
    REQUIRE(make_authority(certs));
    REQUIRE(issue(certs, "worker-1", role::worker, valid_for(year)));
  }

  test::temporary_folder folder;
  fs::path certs = folder / "certs";
  identity worker = identity_in(certs, "worker-1");
};

} // namespace

TEST_CASE("an authority issues certificates that are good", "[certificates]") {
  const certified made;
  CHECK(check(made.worker, role::worker) == "worker-1");
  CHECK(names(made.certs) == std::set<std::string>{"ca.key", "ca.pem", "worker-1.key", "worker-1.pem"});
  CHECK(mode(made.certs) == 0700);
  CHECK(mode(made.certs / "ca.key") == 0600);
  CHECK(mode(made.worker.key) == 0600);
  CHECK(mode(made.worker.certificate) == 0644);
}

TEST_CASE("a folder with missing parents, and a slash at its end, is its owner's alone", "[certificates]") {
  const test::temporary_folder folder;
  REQUIRE(make_authority(folder / "a/b/"));
  CHECK(mode(folder / "a/b") == 0700);
}

TEST_CASE("a worker's certificate is none of a server", "[certificates]") {
  const certified made;
  CHECK(fault(made.worker, made.worker.certificate, role::server) == "the certificate was not issued for a server");

  REQUIRE(issue(made.certs, "server", role::server, valid_for(year)));
  const auto server = identity_in(made.certs, "server");
  CHECK(check(server, role::server) == "server");
  CHECK(check(server, role::worker) == "server");
}

TEST_CASE("an authority is never replaced", "[certificates]") {
  const certified made;
  const auto key = content(made.certs / "ca.key");
  SECTION("by another one") {
    CHECK(make_authority(made.certs) == fail(errc::conflict, (made.certs / "ca.key").string() + " is there already"));
  }
  SECTION("even if its key is elsewhere") {
    fs::rename(made.certs / "ca.key", made.folder / "ca.key");
    CHECK(make_authority(made.certs) == fail(errc::conflict, (made.certs / "ca.pem").string() + " is there already"));
    fs::rename(made.folder / "ca.key", made.certs / "ca.key");
  }
  SECTION("by a machine of its name") {
    for (const auto* name : {"ca", "local"}) {
      const auto issued = issue(made.certs, name, role::worker, valid_for(year), existing::replace);
      REQUIRE_FALSE(issued);
      CHECK(issued.error().code == errc::invalid_request);
    }
  }
  CHECK(content(made.certs / "ca.key") == key);
  CHECK(check(made.worker, role::worker) == "worker-1");
}

TEST_CASE("a certificate is replaced only by who asks for it", "[certificates]") {
  const certified made;
  const auto certificate = content(made.worker.certificate);
  const auto key = content(made.worker.key);
  const auto again = issue(made.certs, "worker-1", role::worker, valid_for(year));
  CHECK(again == fail(errc::conflict, made.worker.key.string() + " is there already"));
  CHECK(content(made.worker.certificate) == certificate);
  CHECK(content(made.worker.key) == key);

  REQUIRE(issue(made.certs, "worker-1", role::worker, valid_for(year), existing::replace));
  CHECK(content(made.worker.certificate) != certificate);
  CHECK(content(made.worker.key) != key);
  CHECK(check(made.worker, role::worker) == "worker-1");
  CHECK(mode(made.worker.key) == 0600);
}

TEST_CASE("what can be a machine's name", "[certificates]") {
  const certified made;
  for (const auto& name : {std::string{"a"}, std::string{"10.0.0.1"}, std::string{"gpu-2.lab"}, std::string(63, 'x')}) {
    CHECK(issue(made.certs, name, role::worker, valid_for(year)));
    CHECK(check(identity_in(made.certs, name), role::worker) == name);
  }
  for (const auto& name :
       {std::string{}, std::string(64, 'x'), std::string{"Worker"}, std::string{"a b"}, std::string{"../a"},
        std::string{"a/b"}, std::string{".."}, std::string{"-rf"}, std::string{"a."}, std::string("a\0b", 3)}) {
    const auto issued = issue(made.certs, name, role::worker, valid_for(year));
    REQUIRE_FALSE(issued);
    CHECK(issued.error().code == errc::invalid_request);
  }
}

TEST_CASE("nothing is issued without an authority", "[certificates]") {
  const test::temporary_folder folder;
  const auto issued = issue(folder.path(), "worker-1", role::worker, valid_for(year));
  CHECK(issued == fail(errc::not_found, "there is no authority in " + folder.path().string() + ": ca.pem is missing"));
  CHECK(names(folder.path()).empty());
}

TEST_CASE("a check names the file that is at fault, and how", "[certificates]") {
  const certified made;
  const auto& who = made.worker;
  SECTION("missing") {
    for (const auto& path : {who.certificate, who.key, who.authority}) {
      fs::rename(path, made.folder / "away");
      CHECK(fault(who, path) == "there is no such file");
      fs::rename(made.folder / "away", path);
    }
  }
  SECTION("not in PEM") {
    for (const auto& path : {who.certificate, who.key, who.authority}) {
      const auto before = content(path);
      std::ofstream{path} << "no certificate";
      CHECK_THAT(fault(who, path), StartsWith("holds no ") && EndsWith(" in PEM"));
      std::ofstream{path} << before;
    }
  }
  SECTION("another's key") {
    REQUIRE(issue(made.certs, "worker-2", role::worker, valid_for(year)));
    fs::copy_file(made.certs / "worker-2.key", who.key, fs::copy_options::overwrite_existing);
    CHECK(fault(who, who.key) == "this key does not belong to the certificate in " + who.certificate.string());
  }
  SECTION("a key for everybody") {
    fs::permissions(who.key, fs::perms{0644});
    CHECK(fault(who, who.key) == "other users of this machine can get at the key (mode 0644): chmod 600 it");
    fs::permissions(who.key, fs::perms{0640});
    CHECK(check(who, role::worker) == "worker-1"); // a group of the owner's choice
  }
  SECTION("another authority") {
    REQUIRE(make_authority(made.folder / "others"));
    const auto other = made.folder / "others/ca.pem";
    CHECK(fault({who.certificate, who.key, other}, who.certificate)
          == "the certificate was issued by another authority (ours is in " + other.string() + ")");
  }
  SECTION("too late") {
    const auto now = std::chrono::system_clock::now();
    REQUIRE(issue(made.certs, "worker-1", role::worker, {now - 48h, now - 24h}, existing::replace));
    CHECK_THAT(fault(who, who.certificate), Catch::Matches("the certificate expired on 20..-..-.. ..:..:.. UTC"));
    // To the second.
    const std::chrono::sys_days day{std::chrono::year{2020} / 2 / 29};
    REQUIRE(issue(made.certs, "worker-1", role::worker, {day, day + 13h}, existing::replace));
    CHECK(fault(who, who.certificate) == "the certificate expired on 2020-02-29 13:00:00 UTC");
  }
  SECTION("too early") {
    const std::chrono::sys_days day{std::chrono::year{2100} / 1 / 1};
    REQUIRE(issue(made.certs, "worker-1", role::worker, {day, day + year}, existing::replace));
    CHECK_THAT(
        fault(who, who.certificate),
        StartsWith("the certificate is not valid before 2100-01-01 00:00:00 UTC; by this machine's clock it is"));
  }
  SECTION("an authority that is none") {
    CHECK_THAT(fault({who.certificate, who.key, who.certificate}, who.certificate), Contains("authority"));
  }
}

TEST_CASE("authorities differ in their fingerprints", "[certificates]") {
  const certified one;
  const certified other;
  const auto print = fingerprint(one.certs / "ca.pem");
  REQUIRE(print);
  CHECK_THAT(*print, Catch::Matches("[0-9a-f]{64}"));
  CHECK(fingerprint(one.certs / "ca.pem") == print);
  CHECK(fingerprint(other.certs / "ca.pem") != print);
  CHECK_FALSE(fingerprint(one.certs / "ca.key"));
}
