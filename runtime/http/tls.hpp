#pragma once

#include <string>

namespace ei::http {

/// How a client speaks TLS. Everything is PEM text, not a path.
struct TlsClientOptions {
  std::string ca_pem;           ///< trusted roots; empty: the system's store
  std::string client_cert_pem;  ///< with its chain; empty: none
  std::string client_key_pem;
  std::string server_name;  ///< SNI and the name to verify, where it is not the URL's host
  bool verify = true;       ///< false accepts any certificate: only on a user's explicit order
};

}  // namespace ei::http
