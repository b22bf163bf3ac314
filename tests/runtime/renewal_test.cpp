#include "runtime/tls/renewal.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/runtime/identity.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::Identity;
using test::make_identity;
using tls::Outcome;
namespace fs = std::filesystem;

namespace {

// A mounted Secret: its files are links into a folder that a link names, which an update replaces at once.
class Secret {
 public:
  Secret() {
    std::string pattern = (fs::temp_directory_path() / "renewal.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    for (auto const* name : {"tls.crt", "tls.key", "ca.crt"})
      fs::create_symlink(fs::path("..data") / name, root_ / name);
  }
  ~Secret() { fs::remove_all(root_); }
  Secret(Secret const&) = delete;
  Secret& operator=(Secret const&) = delete;

  void update(std::string const& certificate, std::string const& key, std::string const& authority = "") {
    auto const folder = root_ / ("..version" + std::to_string(++version_));
    fs::create_directory(folder);
    write(folder / "tls.crt", certificate);
    write(folder / "tls.key", key);
    write(folder / "ca.crt", authority);
    fs::create_directory_symlink(folder.filename(), root_ / "..next");
    fs::rename(root_ / "..next", root_ / "..data");
  }
  void update(Identity const& identity) { update(identity.certificate_pem(), identity.key_pem()); }

  static void write(fs::path const& file, std::string const& text) { std::ofstream(file) << text; }
  [[nodiscard]] fs::path root() const { return root_; }
  [[nodiscard]] tls::Files files(bool with_authority = false) const {
    return {root_ / "tls.crt", root_ / "tls.key", with_authority ? root_ / "ca.crt" : fs::path()};
  }

 private:
  fs::path root_;
  int version_ = 0;
};

Identity const kFirst = make_identity("first", "", nullptr);
Identity const kSecond = make_identity("second", "", nullptr, 7200);
WallTime now() {
  return std::chrono::system_clock::now();
}

}  // namespace

TEST_CASE("every server gets the certificate that the files hold, once") {
  Secret secret;
  secret.update(kFirst);
  auto renewal = tls::Renewal::make(secret.files()).value();
  auto const one = renewal.serve(http::ClientAuth::None).value();
  auto const two = renewal.serve(http::ClientAuth::None, {"h2"}).value();
  auto const before = one->context();
  CHECK(renewal.poll(now()).value() == Outcome::Unchanged);
  CHECK(one->context() == before);
  auto const expires = renewal.expires();
  secret.update(kSecond);
  CHECK(renewal.poll(now()).value() == Outcome::Renewed);
  CHECK(one->context() != before);
  CHECK(renewal.expires() > expires);
  CHECK(one->expires() == renewal.expires());
  CHECK(two->expires() == renewal.expires());
  CHECK(renewal.poll(now()).value() == Outcome::Unchanged);
}

TEST_CASE("a Secret that is written anew with the same in it renews nothing") {
  Secret secret;
  secret.update(kFirst);
  auto renewal = tls::Renewal::make(secret.files()).value();
  auto const server = renewal.serve(http::ClientAuth::None).value();
  auto const before = server->context();
  secret.update(kFirst);
  CHECK(renewal.poll(now()).value() == Outcome::Unchanged);
  CHECK(server->context() == before);
}

TEST_CASE("what cannot be used is refused, told once, and what was in force stays") {
  auto const ended = make_identity("ended", "", nullptr, -1);
  struct Row {
    std::string certificate, key, authority;
    std::string why;
  };
  for (Row const& row :
       {Row{"broken", kSecond.key_pem(), kFirst.certificate_pem(), "no certificate"},
        Row{kSecond.certificate_pem(), kFirst.key_pem(), kFirst.certificate_pem(),
            "the key of another certificate"},
        Row{kSecond.certificate_pem(), "", kFirst.certificate_pem(), "no key"},
        Row{kSecond.certificate_pem(), kSecond.key_pem(), "", "no authority of clients"},
        Row{ended.certificate_pem(), ended.key_pem(), kFirst.certificate_pem(), "one that has ended"}}) {
    INFO(row.why);
    Secret secret;
    secret.update(kFirst.certificate_pem(), kFirst.key_pem(), kFirst.certificate_pem());
    auto renewal = tls::Renewal::make(secret.files(true)).value();
    auto const open = renewal.serve(http::ClientAuth::None).value();
    auto const closed = renewal.serve(http::ClientAuth::Required).value();
    auto const expires = renewal.expires();
    auto const contexts = std::pair(open->context(), closed->context());
    secret.update(row.certificate, row.key, row.authority);
    CHECK_FALSE(renewal.poll(now()).has_value());
    CHECK(renewal.poll(now()).value() == Outcome::Unchanged);
    CHECK(renewal.expires() == expires);
    CHECK(contexts == std::pair(open->context(), closed->context()));
    secret.update(kSecond.certificate_pem(), kSecond.key_pem(), kFirst.certificate_pem());
    CHECK(renewal.poll(now()).value() == Outcome::Renewed);
    CHECK(renewal.expires() > expires);
  }
}

TEST_CASE("files that go away and come back are taken up again") {
  Secret secret;
  secret.update(kFirst);
  auto renewal = tls::Renewal::make(secret.files()).value();
  fs::remove(secret.root() / "..data");
  CHECK(renewal.poll(now()).error().kind == ErrorKind::NotFound);
  CHECK(renewal.poll(now()).value() == Outcome::Unchanged);
  secret.update(kSecond);
  CHECK(renewal.poll(now()).value() == Outcome::Renewed);
}

TEST_CASE("a certificate that has ended is taken where there is none better") {
  auto const ended = make_identity("ended", "", nullptr, -10);
  auto const other = make_identity("other", "", nullptr, -5);
  Secret secret;
  secret.update(ended);
  auto renewal = tls::Renewal::make(secret.files()).value();
  secret.update(other);
  CHECK(renewal.poll(now()).value() == Outcome::Renewed);
}

TEST_CASE("a program without a usable certificate does not start") {
  Secret secret;
  secret.update(kFirst.certificate_pem(), kSecond.key_pem());
  CHECK(tls::Renewal::make(secret.files()).error().kind == ErrorKind::Invalid);
  CHECK(tls::Renewal::make({"/nowhere/tls.crt", "/nowhere/tls.key", {}}).error().kind == ErrorKind::NotFound);
}
