#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace boost::asio::ssl {
class context;
}

namespace ei::http {

/// Whether clients show a certificate. Go calls these NoClientCert, VerifyClientCertIfGiven and
/// RequireAndVerifyClientCert, nginx's ssl_verify_client off, optional and on.
enum class ClientAuth { None, Optional, Required };

/// How a server speaks TLS (PEM text).
struct TlsServerOptions {
  std::string certificate_pem;  ///< with its chain
  std::string key_pem;
  std::string client_ca_pem;  ///< who signs clients' certificates; not looked at under ClientAuth::None
  ClientAuth client_auth = ClientAuth::None;
  /// ALPN, the most wanted first. A client that offers others alone is refused, one that offers none is not.
  std::vector<std::string> protocols = {"http/1.1"};
};

/// A server's TLS, which may be replaced while it serves: a new connection gets what is in force then, and
/// keeps it. Any number of servers may share one. One thread.
class ServerTls {
 public:
  using Context = std::shared_ptr<boost::asio::ssl::context>;

  /// Errors: Invalid, naming the part that is unusable.
  [[nodiscard]] static Result<std::shared_ptr<ServerTls>> make(TlsServerOptions const& options);

  /// Errors: Invalid; then what was in force stays.
  [[nodiscard]] Result<void> replace(TlsServerOptions const& options);

  [[nodiscard]] Context const& context() const { return context_; }
  /// When the certificate ends, of which the chain is the proof.
  [[nodiscard]] WallTime expires() const { return expires_; }

 private:
  Context context_;
  WallTime expires_{};
};

}  // namespace ei::http
