#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "runtime/http/transport.hpp"
#include "runtime/http/url.hpp"

namespace ei::http {

/// Resolves, connects (every address in turn) and, for https and wss, runs the TLS handshake, all before
/// `deadline`. `tls` is needed for those schemes only. Errors: Unavailable, Timeout, Canceled, Invalid.
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<Transport>>> dial(
    asio::any_io_executor executor, Url url, std::shared_ptr<asio::ssl::context> tls,
    TlsClientOptions options, SteadyTime deadline);

}  // namespace ei::http
