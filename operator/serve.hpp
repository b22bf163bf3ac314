#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "runtime/http/server.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei {

/// The operator's own HTTP server: /metrics, /healthz and /readyz (503 until `ready` says true).
[[nodiscard]] std::unique_ptr<http::Server> make_server(boost::asio::any_io_executor executor,
                                                        std::string address, std::uint16_t port,
                                                        metrics::Registry const& registry,
                                                        std::function<bool()> ready);

/// Listens, starts, and writes `{"metrics": PORT}` where that is asked for. Errors: Io, Invalid.
[[nodiscard]] Result<void> start_server(http::Server& server, std::filesystem::path const& ports_file);

}  // namespace ei
