#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/address.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei::http {
namespace asio = boost::asio;

/// The addresses of a host, which may be one itself; never empty. Cancelling the caller ends the wait at
/// once. A look-up itself cannot be interrupted: past its deadline it goes on for nobody, on a thread that
/// neither the caller nor the process's end waits for. Errors: Unavailable, Timeout, Canceled.
[[nodiscard]] asio::awaitable<Result<std::vector<asio::ip::tcp::endpoint>>> resolve(
    asio::any_io_executor executor, std::string host, std::uint16_t port, SteadyTime deadline);

/// For kind_of(): an IPv4 address in its IPv4-mapped form.
[[nodiscard]] IpBytes bytes_of(asio::ip::address const& address);

}  // namespace ei::http
