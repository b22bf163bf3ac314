#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/tls.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

namespace ei::kube {

/// What carries requests to the API server and brings the answers back: HTTP connections, or in tests a
/// server in memory. Everything above it (credentials, rate limit, repetition, the right to write) is the
/// same for both.
class Transport {
 public:
  virtual ~Transport() = default;
  /// One exchange within `timeout`. Statuses are not errors. Errors: as http::Client::send.
  virtual boost::asio::awaitable<Result<http::Response>> send(http::Request request,
                                                              milliseconds timeout) = 0;
  /// Sends and waits for the head within `timeout`. Errors: as http::Client::open.
  virtual boost::asio::awaitable<Result<std::unique_ptr<http::ResponseStream>>> open(
      http::Request request, milliseconds timeout) = 0;
};

/// Makes the transport to a server's URL with the trust and the certificate of now. Errors: Invalid.
using Dial = std::function<Result<std::shared_ptr<Transport>>(std::string const& server,
                                                              http::TlsClientOptions const&)>;

/// By HTTP/1.1 over kept connections.
Dial dial_http(boost::asio::any_io_executor executor);

}  // namespace ei::kube
