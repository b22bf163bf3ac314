#include "runtime/http/dial.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runtime/http/resolve.hpp"

namespace ei::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

asio::awaitable<Result<tcp::socket>> connect(asio::any_io_executor executor, Url const& url,
                                             SteadyTime deadline, AdmitAddress const& admit) {
  auto endpoints = co_await resolve(executor, url.host, url.port, deadline);
  if (!endpoints) co_return endpoints.error();
  tcp::socket socket(executor);
  Watchdog watchdog(executor, [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  watchdog.arm(deadline);
  Error last = make_error(ErrorKind::Unavailable, "cannot connect to " + url.authority() + ": no address");
  for (tcp::endpoint const& endpoint : *endpoints) {
    if (auto const admitted = admit ? admit(endpoint.address()) : Result<void>(); !admitted) {
      last = admitted.error();
      continue;
    }
    boost::system::error_code ignored;
    socket.close(ignored);
    socket.open(endpoint.protocol(), ignored);
    keep_from_children(socket.native_handle());
    auto const [code] = co_await socket.async_connect(endpoint, kAwait);
    if (!code) {
      bool const expired = watchdog.disarm();
      if (!expired) co_return std::move(socket);
      break;
    }
    last.kind = ErrorKind::Unavailable;
    last.message = "cannot connect to " + url.authority() + ": " + code.message();
    if (std::chrono::steady_clock::now() >= deadline) {
      last = make_error(ErrorKind::Timeout, "connecting to " + url.authority() + " took too long");
      break;
    }
    if (code == asio::error::operation_aborted) {
      last = make_error(ErrorKind::Canceled, "connecting to " + url.authority() + " ended");
      break;
    }
  }
  co_return last;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<Transport>>> dial(asio::any_io_executor executor, Url url,
                                                         std::shared_ptr<asio::ssl::context> tls,
                                                         TlsClientOptions options, SteadyTime deadline,
                                                         AdmitAddress admit) {
  auto socket = co_await connect(executor, url, deadline, admit);
  if (!socket) co_return socket.error();
  if (!url.secure()) co_return std::make_unique<Transport>(AnyStream(std::move(*socket)));
  TlsStream stream(std::move(*socket), *tls);
  std::string const name = options.server_name.empty() ? url.host : options.server_name;
  if (auto expected = expect_server(stream, name, options.verify); !expected) co_return expected.error();
  auto transport = std::make_unique<Transport>(AnyStream(std::move(stream)));
  auto shaken = co_await transport->handshake(deadline);
  if (!shaken) co_return with_context(shaken.error(), url.authority());
  co_return std::move(transport);
}

}  // namespace ei::http
