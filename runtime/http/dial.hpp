#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "runtime/http/transport.hpp"
#include "runtime/http/url.hpp"

namespace ei::http {

/// Whether a name's address may be connected to; its error's message follows that of the refused address.
using AdmitAddress = std::function<Result<void>(asio::ip::address const&)>;

/// Resolves, connects (every address in turn) and, for https and wss, runs the TLS handshake, all before
/// `deadline`. `tls` is needed for those schemes only. An address that `admit` refuses is passed over: what
/// is asked is the address that is connected to, however the name was written and whatever a name server says
/// the next time. Errors: Unavailable, Timeout, Canceled, Invalid; admit's own when it refused every address.
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<Transport>>> dial(
    asio::any_io_executor executor, Url url, std::shared_ptr<asio::ssl::context> tls,
    TlsClientOptions options, SteadyTime deadline, AdmitAddress admit = {});

}  // namespace ei::http
