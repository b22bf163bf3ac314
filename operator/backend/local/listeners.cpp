#include "operator/backend/local/listeners.hpp"

#include "runtime/http/listener.hpp"

namespace ei::backend::local {
namespace {

std::uint16_t port_of(asio::ip::tcp::acceptor const& acceptor) {
  return acceptor.local_endpoint().port();
}

}  // namespace

Listeners::Listeners(Acceptor http, Acceptor metrics, Acceptor link)
    : http_(std::move(http)),
      metrics_(std::move(metrics)),
      link_(std::move(link)),
      ports_{port_of(http_), port_of(metrics_), port_of(link_)} {}

Result<Listeners> Listeners::open(asio::any_io_executor executor, std::string const& address,
                                  std::uint16_t http) {
  auto wanted = http::open_listener(executor, address, http);
  if (!wanted && http != 0) wanted = http::open_listener(executor, address, 0);
  if (!wanted) return wanted.error();
  auto metrics = http::open_listener(executor, address, 0);
  if (!metrics) return metrics.error();
  auto link = http::open_listener(executor, address, 0);
  if (!link) return link.error();
  return Listeners(std::move(*wanted), std::move(*metrics), std::move(*link));
}

std::vector<int> Listeners::descriptors() {
  return {http_.native_handle(), metrics_.native_handle(), link_.native_handle()};
}

}  // namespace ei::backend::local
