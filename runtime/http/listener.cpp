#include "runtime/http/listener.hpp"

#include <sys/socket.h>

#include "runtime/http/transport.hpp"

namespace ei::http {
namespace {

using asio::ip::tcp;

// Linux's SOMAXCONN since 5.4: a burst of connections waits in the kernel instead of being dropped.
constexpr int kBacklog = 4096;

}  // namespace

Result<tcp::acceptor> open_listener(asio::any_io_executor executor, std::string const& address,
                                    std::uint16_t port) {
  boost::system::error_code code;
  auto const ip = asio::ip::make_address(address, code);
  if (code) return make_error(ErrorKind::Invalid, "\"" + address + "\" is no IP address to listen on");
  tcp::endpoint const endpoint(ip, port);
  tcp::acceptor acceptor(executor);
  acceptor.open(endpoint.protocol(), code);
  if (!code) keep_from_children(acceptor.native_handle());
  if (!code) acceptor.set_option(asio::socket_base::reuse_address(true), code);
  if (!code) acceptor.bind(endpoint, code);
  if (!code) acceptor.listen(kBacklog, code);
  if (code) {
    return make_error(ErrorKind::Io,
                      "cannot listen on " + address + ":" + std::to_string(port) + ": " + code.message());
  }
  return acceptor;
}

Result<tcp::acceptor> inherit_listener(asio::any_io_executor executor, int descriptor) {
  int listens = 0;
  int family = 0;
  socklen_t size = sizeof listens;
  bool const is_listener = getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
                           getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
                           listens != 0 && (family == AF_INET || family == AF_INET6);
  if (!is_listener) {
    return make_error(ErrorKind::Invalid,
                      "descriptor " + std::to_string(descriptor) + " is no TCP socket that listens");
  }
  keep_from_children(descriptor);
  tcp::acceptor acceptor(executor);
  boost::system::error_code code;
  acceptor.assign(family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, code);
  if (code) return make_error(ErrorKind::Io, "cannot listen: " + code.message());
  return acceptor;
}

}  // namespace ei::http
