// A server's certificate in files that somebody renews: a mounted Secret, certbot, a person.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/server_tls.hpp"
#include "runtime/process/watched_file.hpp"

namespace ei::tls {
namespace asio = boost::asio;

struct Files {
  std::filesystem::path certificate;  ///< PEM, with its chain
  std::filesystem::path key;          ///< PEM, without a password
  std::filesystem::path client_ca;    ///< PEM; empty: no client is asked for a certificate
};

enum class Outcome { Unchanged, Renewed, Refused };

/// Keeps any number of servers on the certificate that the files hold. What cannot be used is refused as a
/// whole, and what was in force stays: a file that is missing or broken, a key of another certificate, one
/// that has ended while the present one has not. One thread.
class Renewal {
 public:
  /// Reads the files. Errors: NotFound, Io, Protocol (too large), Invalid: they cannot be used now.
  [[nodiscard]] static Result<Renewal> make(Files files);

  /// Another server's TLS, which poll() keeps up to date. Errors: Invalid.
  [[nodiscard]] Result<std::shared_ptr<http::ServerTls const>> serve(http::ClientAuth client_auth,
                                                                     std::vector<std::string> protocols = {
                                                                         "http/1.1"});

  /// Looks at the files and renews every server, or none. The result's error: why they were refused; told
  /// once for each content of the files.
  [[nodiscard]] Result<Outcome> poll(WallTime now);

  /// When the certificate in force ends.
  [[nodiscard]] WallTime expires() const { return expires_; }

 private:
  explicit Renewal(Files const& files);
  struct Served {
    std::shared_ptr<http::ServerTls> tls;
    http::ClientAuth client_auth;
    std::vector<std::string> protocols;
  };
  struct Texts {
    std::string certificate, key, client_ca;
    bool operator==(Texts const&) const = default;
  };
  [[nodiscard]] Result<bool> read(Texts& texts);
  [[nodiscard]] Result<bool> read_settled(Texts& texts);
  [[nodiscard]] static http::TlsServerOptions options(Texts const& texts, Served const& served);

  process::WatchedFile certificate_;
  process::WatchedFile key_;
  process::WatchedFile client_ca_;
  Texts found_;  // what the files held when they were last read
  Texts in_force_;
  std::vector<Served> served_;
  WallTime expires_{};
};

/// Polls every two seconds until it is cancelled; logs each renewal and each refusal, and reports it.
[[nodiscard]] asio::awaitable<void> follow(Renewal& renewal, std::function<void(Outcome)> report);

}  // namespace ei::tls
