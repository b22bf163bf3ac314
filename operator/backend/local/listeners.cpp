#include "operator/backend/local/listeners.hpp"

#include <unistd.h>

#include "dispatcher/contract/ports.hpp"
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

// The wanted port, or any where somebody has it.
Result<ListeningSocket> listen_near(asio::any_io_executor executor, std::string const& address,
                                    std::uint16_t wanted) {
  auto listening = listen_on(executor, address, wanted);
  if (!listening && wanted != 0) listening = listen_on(executor, address, 0);
  return listening;
}

// 8003 beside 8001, as on a cluster.
constexpr int kGrpcAfterHttp = dispatcher::kGrpcPort - dispatcher::kHttpPort;

std::uint16_t grpc_beside(std::uint16_t http) {
  int const port = http + kGrpcAfterHttp;
  return http == 0 || port > 65535 ? std::uint16_t{0} : static_cast<std::uint16_t>(port);
}

}  // namespace

ListeningSocket::~ListeningSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<Listeners> Listeners::open(asio::any_io_executor executor, std::string const& address,
                                  std::uint16_t http) {
  auto wanted = listen_near(executor, address, http);
  if (!wanted) return wanted.error();
  auto metrics = listen_on(executor, address, 0);
  if (!metrics) return metrics.error();
  auto link = listen_on(executor, kLoopback, 0);
  if (!link) return link.error();
  auto grpc = listen_near(executor, address, grpc_beside(http));
  if (!grpc) return grpc.error();
  return Listeners(std::move(*wanted), std::move(*metrics), std::move(*link), std::move(*grpc));
}

std::vector<int> Listeners::descriptors() const {
  return {http_.descriptor(), metrics_.descriptor(), link_.descriptor(), grpc_.descriptor()};
}

}  // namespace ei::backend::local
