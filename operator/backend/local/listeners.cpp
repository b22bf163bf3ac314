#include "operator/backend/local/listeners.hpp"

#include <unistd.h>

#include "runtime/http/listener.hpp"

namespace ei::backend::local {
namespace {

Result<ListeningSocket> listen_on(asio::any_io_executor executor, std::string const& address,
                                  std::uint16_t port) {
  auto acceptor = http::open_listener(std::move(executor), address, port);
  if (!acceptor) return acceptor.error();
  auto const bound = acceptor->local_endpoint().port();
  return ListeningSocket(acceptor->release(), bound);
}

}  // namespace

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<Listeners> Listeners::open(asio::any_io_executor executor, std::string const& address,
                                  std::uint16_t http) {
  auto wanted = listen_on(executor, address, http);
  if (!wanted && http != 0) wanted = listen_on(executor, address, 0);
  if (!wanted) return wanted.error();
  auto metrics = listen_on(executor, address, 0);
  if (!metrics) return metrics.error();
  auto link = listen_on(executor, kLoopback, 0);
  if (!link) return link.error();
  return Listeners(std::move(*wanted), std::move(*metrics), std::move(*link));
}

std::vector<int> Listeners::descriptors() const {
  return {http_.descriptor(), metrics_.descriptor(), link_.descriptor()};
}

}  // namespace ei::backend::local
