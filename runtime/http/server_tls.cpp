#include "runtime/http/server_tls.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <ctime>
#include <utility>

#include "runtime/http/tls_context.hpp"

namespace ei::http {
namespace {

using asio::ssl::context;

// Under TLS 1.2 keys that give forward secrecy and authenticated ciphers alone, which every client of the
// last ten years has; TLS 1.3 knows no others.
constexpr char const* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
// Resumption skips the client's certificate, which may have ended meanwhile: as short as nginx's.
constexpr long kTicketSeconds = 300;
// Without it OpenSSL refuses to resume a session for which a client's certificate was asked.
constexpr std::string_view kSessionContext = "elastic-inference";

Error unusable(std::string const& part, std::string const& why) {
  return make_error(ErrorKind::Invalid, "the TLS " + part + " is unusable: " + why);
}

// A client changes its keys after 24 million records. A change is 23 us of work for 27 bytes, and OpenSSL
// counts none: a connection of 10 Mbit/s of them would take all of the thread.
constexpr std::uintptr_t kMostKeyUpdates = 64;

int key_updates_index() {
  static int const index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Beyond the most, what the client sends is read as the end of the connection.
void count_key_updates(int sent, int, int type, void const* message, std::size_t size, SSL* ssl, void*) {
  if (sent != 0 || type != SSL3_RT_HANDSHAKE || size == 0) return;
  if (*static_cast<unsigned char const*>(message) != SSL3_MT_KEY_UPDATE) return;
  auto const count = reinterpret_cast<std::uintptr_t>(SSL_get_ex_data(ssl, key_updates_index())) + 1;
  SSL_set_ex_data(ssl, key_updates_index(), reinterpret_cast<void*>(count));
  if (count > kMostKeyUpdates) SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

// The protocols as RFC 7301 writes them: each behind its length. They live as long as their context does.
void free_protocols(void*, void* protocols, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(protocols);
}

int protocols_index() {
  static int const index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_protocols);
  return index;
}

int choose_protocol(SSL*, unsigned char const** chosen, unsigned char* size, unsigned char const* offered,
                    unsigned int offered_size, void* argument) {
  auto const& ours = *static_cast<std::string const*>(argument);
  unsigned char* found = nullptr;
  int const agreed = SSL_select_next_proto(&found, size, reinterpret_cast<unsigned char const*>(ours.data()),
                                           static_cast<unsigned>(ours.size()), offered, offered_size);
  *chosen = found;
  // RFC 7301, 3.2: who shares no protocol is told so, instead of being answered in one that it does not know.
  return agreed == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void negotiate(SSL_CTX* tls, std::vector<std::string> const& protocols) {
  if (protocols.empty()) return;
  auto* const wire = new std::string;
  for (auto const& protocol : protocols) *wire += static_cast<char>(protocol.size()) + protocol;
  SSL_CTX_set_ex_data(tls, protocols_index(), wire);
  SSL_CTX_set_alpn_select_cb(tls, choose_protocol, wire);
}

// The names of the authorities that a client is told, by which a browser chooses among its certificates.
void announce(SSL_CTX* tls, std::string const& authorities) {
  std::unique_ptr<BIO, decltype(&BIO_free)> const source(
      BIO_new_mem_buf(authorities.data(), static_cast<int>(authorities.size())), &BIO_free);
  while (X509* const authority = PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add_client_CA(tls, authority);
    X509_free(authority);
  }
  ERR_clear_error();
}

Result<void> ask_clients(context& tls, TlsServerOptions const& options) {
  if (options.client_auth == ClientAuth::None) return boost::system::in_place_value;
  boost::system::error_code code;
  tls.add_certificate_authority(asio::buffer(options.client_ca_pem), code);
  if (code) return unusable("certificate authority of clients", code.message());
  announce(tls.native_handle(), options.client_ca_pem);
  auto mode = asio::ssl::verify_peer;
  if (options.client_auth == ClientAuth::Required) mode |= asio::ssl::verify_fail_if_no_peer_cert;
  tls.set_verify_mode(mode);
  return boost::system::in_place_value;
}

Result<ServerTls::Context> make_context(TlsServerOptions const& options) {
  auto tls = std::make_shared<context>(context::tls_server);
  SSL_CTX* const handle = tls->native_handle();
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(handle, kCiphers);
  // Under TLS 1.2 one connection could ask for one handshake after the other, past HandshakeQueue.
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_msg_callback(handle, count_key_updates);
  // Tickets hold a session's state with the client: nothing is kept here for who may come back.
  SSL_CTX_set_session_cache_mode(handle, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(handle, kTicketSeconds);
  SSL_CTX_set_session_id_context(handle, reinterpret_cast<unsigned char const*>(kSessionContext.data()),
                                 static_cast<unsigned>(kSessionContext.size()));
  if (auto used = use_identity(*tls, options.certificate_pem, options.key_pem); !used) return used.error();
  if (auto asked = ask_clients(*tls, options); !asked) return asked.error();
  negotiate(handle, options.protocols);
  return tls;
}

Result<WallTime> end_of(context& tls) {
  X509* const certificate = SSL_CTX_get0_certificate(tls.native_handle());
  std::tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
    return unusable("certificate", "it does not say when it ends");
  // RFC 5280, 4.1.2.5: 9999 for one that never ends, which this clock does not hold.
  auto const last = std::chrono::duration_cast<std::chrono::seconds>(WallTime::max().time_since_epoch());
  auto const seconds = std::min<std::int64_t>(::timegm(&parts), last.count());
  return WallTime(std::chrono::seconds(seconds));
}

}  // namespace

Result<std::shared_ptr<ServerTls>> ServerTls::make(TlsServerOptions const& options) {
  auto tls = std::make_shared<ServerTls>();
  if (auto made = tls->replace(options); !made) return made.error();
  return tls;
}

Result<void> ServerTls::replace(TlsServerOptions const& options) {
  auto made = make_context(options);
  if (!made) return made.error();
  auto const expires = end_of(**made);
  if (!expires) return expires.error();
  context_ = std::move(*made);
  expires_ = *expires;
  return boost::system::in_place_value;
}

}  // namespace ei::http
