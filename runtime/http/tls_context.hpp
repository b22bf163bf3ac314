#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>

#include "runtime/core/result.hpp"
#include "runtime/http/tls.hpp"

namespace ei::http {
namespace asio = boost::asio;

using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;

/// TLS 1.2 or newer with the options' roots and certificate. Errors: Invalid, naming the part that is
/// unusable. A server's: see ServerTls.
[[nodiscard]] Result<std::shared_ptr<asio::ssl::context>> make_client_context(
    TlsClientOptions const& options);

/// What either side shows of itself. Errors: Invalid, also where the key is another certificate's.
[[nodiscard]] Result<void> use_identity(asio::ssl::context& tls, std::string const& certificate_pem,
                                        std::string const& key_pem);

/// Sets SNI (for names only, RFC 6066) and the name or IP address that the certificate
/// must carry in its SANs.
[[nodiscard]] Result<void> expect_server(TlsStream& stream, std::string const& name_or_address, bool verify);

/// Why the last handshake's certificate was refused, "" when it was not.
[[nodiscard]] std::string verify_failure(TlsStream& stream);

}  // namespace ei::http
