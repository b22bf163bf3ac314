#include "runtime/http/handshake.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

namespace ei::http {

std::string_view to_string(HandshakeFault fault) {
  switch (fault) {
    case HandshakeFault::PlainHttp:
      return "plain_http";
    case HandshakeFault::Timeout:
      return "timeout";
    case HandshakeFault::Crowded:
      return "crowded";
    case HandshakeFault::Closed:
      return "closed";
    case HandshakeFault::NoCertificate:
      return "no_certificate";
    case HandshakeFault::Untrusted:
      return "untrusted";
    case HandshakeFault::Refused:
      return "refused";
    case HandshakeFault::Protocol:
      return "protocol";
  }
  return "protocol";
}

HandshakeFault handshake_fault(boost::system::error_code const& code, bool expired) {
  if (expired) return HandshakeFault::Timeout;
  if (code.category() != asio::error::get_ssl_category()) return HandshakeFault::Closed;
  int const reason = ERR_GET_REASON(static_cast<unsigned long>(code.value()));
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return HandshakeFault::NoCertificate;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return HandshakeFault::Untrusted;
  switch (reason - SSL_AD_REASON_OFFSET) {  // an alert that the client has sent
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
      return HandshakeFault::Refused;
    default:
      return HandshakeFault::Protocol;
  }
}

bool waits_plain_http(asio::ip::tcp::socket& socket) {
  char byte = 0;
  auto const got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 1 && ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'));
}

}  // namespace ei::http
