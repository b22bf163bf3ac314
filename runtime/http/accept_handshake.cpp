// A server's half of a TLS handshake, one step at a time.
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "runtime/http/transport.hpp"

namespace ei::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

tcp::socket& socket_of(BIO* bio) {
  return *static_cast<tcp::socket*>(BIO_get_data(bio));
}

bool would_wait() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int send_bytes(BIO* bio, char const* data, int size) {
  auto const sent = ::send(socket_of(bio).native_handle(), data, static_cast<std::size_t>(size),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (sent < 0 && would_wait()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int take_bytes(BIO* bio, char* data, int size) {
  auto const got = ::recv(socket_of(bio).native_handle(), data, static_cast<std::size_t>(size), MSG_DONTWAIT);
  BIO_clear_retry_flags(bio);
  if (got < 0 && would_wait()) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing is kept here
}

BIO_METHOD* direct_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, send_bytes);
    BIO_meth_set_read(made, take_bytes);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  return method;
}

// While it lives, OpenSSL reads and writes the socket itself, and takes no byte behind the handshake. Asio
// would run the steps of all handshakes whose bytes have come one after the other, before anything else.
class DirectSocket {
 public:
  DirectSocket(SSL* ssl, tcp::socket& socket) : ssl_(ssl), before_(SSL_get_rbio(ssl)) {
    BIO_up_ref(before_);
    BIO* const direct = BIO_new(direct_method());
    BIO_set_data(direct, &socket);
    BIO_set_init(direct, 1);
    SSL_set_bio(ssl, direct, direct);
  }
  ~DirectSocket() { SSL_set_bio(ssl_, before_, before_); }
  DirectSocket(DirectSocket const&) = delete;
  DirectSocket& operator=(DirectSocket const&) = delete;

 private:
  SSL* ssl_;
  BIO* before_;  // Asio's
};

struct Progress {
  boost::system::error_code code;
  std::optional<tcp::socket::wait_type> wants;  // none: it has ended
};

// As far as the bytes go that have come.
Progress step(SSL* ssl) {
  ERR_clear_error();
  int const result = SSL_do_handshake(ssl);
  if (result == 1) return {};
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return {{}, tcp::socket::wait_read};
    case SSL_ERROR_WANT_WRITE:
      return {{}, tcp::socket::wait_write};
    case SSL_ERROR_SSL:
      return {{static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()}, {}};
    default:
      return {asio::error::eof, {}};
  }
}

// Whether the client has closed behind the bytes that are still to be read.
bool has_left(tcp::socket& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
  return info.tcpi_state != TCP_ESTABLISHED;
}

}  // namespace

// Errors: try_again where its turn did not come; OpenSSL's, Asio's.
asio::awaitable<boost::system::error_code> Transport::shake_hands(TlsStream& tls,
                                                                  HandshakeQueue::Place& place) {
  SSL* const ssl = tls.native_handle();
  SSL_set_accept_state(ssl);
  DirectSocket const direct(ssl, socket());
  for (bool begun = false;; begun = true) {
    Progress progress;
    {
      auto const turn = co_await place.turn(begun);
      if (!socket().is_open()) co_return asio::error::operation_aborted;
      if (!turn) co_return asio::error::try_again;
      // Nobody signs for a client that has given up.
      if (place.waited() && has_left(socket())) co_return asio::error::eof;
      progress = step(ssl);
    }
    if (!progress.wants) co_return progress.code;
    auto const [code] = co_await socket().async_wait(*progress.wants, kAwait);
    if (code) co_return code;
  }
}

asio::awaitable<std::optional<Transport::FailedHandshake>> Transport::accept_handshake(
    std::shared_ptr<HandshakeQueue> queue, std::string origin, SteadyTime deadline) {
  auto* tls = std::get_if<TlsStream>(&stream_);
  if (tls == nullptr) co_return std::nullopt;
  HandshakeQueue::Place place(std::move(queue), std::move(origin));
  place_ = &place;
  // However it ends.
  struct Leave {
    Transport& transport;
    ~Leave() { transport.place_ = nullptr; }
  };
  Leave const leave{*this};
  read_deadline_.arm(deadline);
  auto [code] = co_await socket().async_wait(tcp::socket::wait_read, kAwait);
  if (!code && waits_plain_http(socket())) {
    read_deadline_.disarm();
    co_return FailedHandshake{HandshakeFault::PlainHttp, "the client does not speak TLS"};
  }
  if (!code) code = co_await shake_hands(*tls, place);
  bool const expired = read_deadline_.disarm();
  if (!code) co_return std::nullopt;
  if (code == asio::error::try_again && !expired)
    co_return FailedHandshake{HandshakeFault::Crowded, "other clients' handshakes took the time there is"};
  std::string detail = expired ? "it took too long" : code.message();
  auto const verdict = verify_failure(*tls);
  if (!verdict.empty()) detail += " (" + verdict + ")";
  auto const fault = handshake_fault(code, expired);
  co_return FailedHandshake{fault, std::move(detail)};
}

}  // namespace ei::http
