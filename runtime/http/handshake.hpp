#pragma once

#include <boost/system/error_code.hpp>
#include <string_view>

#include "runtime/http/tls_context.hpp"

namespace ei::http {

/// Why a server's TLS handshake failed, as its log line and its metric say.
enum class HandshakeFault {
  PlainHttp,      ///< the client spoke HTTP without TLS
  Timeout,        ///< it did not end in time
  Crowded,        ///< others' handshakes took all the time that there is for handshakes
  Closed,         ///< the client left: a port scan, a load balancer's look
  NoCertificate,  ///< the client showed none, and one is required
  Untrusted,      ///< the client's certificate is not of the authority, or has ended
  Refused,        ///< the client does not trust the server's certificate
  Protocol,       ///< no version, cipher or protocol in common, or no TLS at all
};
inline constexpr int kHandshakeFaults = 8;

/// `plain_http`, `timeout`, …
[[nodiscard]] std::string_view to_string(HandshakeFault fault);

/// What a handshake's error means; `expired`: its deadline ended it. Pure.
[[nodiscard]] HandshakeFault handshake_fault(boost::system::error_code const& code, bool expired);

/// Whether the bytes that wait begin a request without TLS: a method's letter, where TLS begins with a
/// record's type. Looks without taking.
[[nodiscard]] bool waits_plain_http(asio::ip::tcp::socket& socket);

}  // namespace ei::http
