#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "operator/page/page.hpp"
#include "runtime/http/server.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei {

/// Says why the operator does not do its work; empty where it does.
using Unready = std::function<std::string()>;

/// One of the operator's own HTTP servers: /metrics, /healthz and /readyz (503 with what `unready` says).
[[nodiscard]] std::unique_ptr<http::Server> make_server(boost::asio::any_io_executor executor,
                                                        std::string address, std::uint16_t port,
                                                        metrics::Registry const& registry, Unready unready);

/// The same for probes alone: /healthz and /readyz on a port that scrapers, however
/// many and slow, cannot fill.
[[nodiscard]] std::unique_ptr<http::Server> make_probe_server(boost::asio::any_io_executor executor,
                                                              std::string address, std::uint16_t port,
                                                              Unready unready);

/// Listens, starts, and writes `{"metrics": PORT, "probes": PORT, "page": PORT}` where that is asked for;
/// `probes` and `page` may be null. Errors: Io, Invalid, or why the page cannot start.
[[nodiscard]] Result<void> start_servers(http::Server& metrics, http::Server* probes, page::Page* page,
                                         std::filesystem::path const& ports_file);

}  // namespace ei
