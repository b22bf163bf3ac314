#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::http {
namespace asio = boost::asio;

/// A socket that listens; port 0 lets the system choose. Errors: Invalid (no IP address), Io (port taken).
[[nodiscard]] Result<asio::ip::tcp::acceptor> open_listener(asio::any_io_executor executor,
                                                            std::string const& address, std::uint16_t port);

/// The same from a descriptor on which this process's parent listens already, and which both own.
/// Errors: Invalid (not a TCP socket that listens).
[[nodiscard]] Result<asio::ip::tcp::acceptor> inherit_listener(asio::any_io_executor executor,
                                                               int descriptor);

}  // namespace ei::http
