#include "operator/metrics_server.hpp"

#include <boost/asio/awaitable.hpp>

#include "runtime/core/version.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"

namespace ei {
namespace {

// For probes or a few scrapers, whom a crowd of small clients must not reach: 8 MiB at most.
constexpr std::size_t kConnections = 256;
// Of one address: half of them are always left for the others.
constexpr std::size_t kConnectionsPerAddress = 128;

http::Route get(std::string path, std::function<http::Response()> answer) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(path);
  route.handler = [answer = std::move(answer)](http::Request) -> boost::asio::awaitable<http::Response> {
    co_return answer();
  };
  return route;
}

http::Response exposition(metrics::Registry const& registry) {
  http::Response response;
  response.headers.set("Content-Type", std::string(metrics::kContentType));
  response.body = registry.exposition();
  return response;
}

std::vector<http::Route> probe_routes(Unready unready) {
  std::vector<http::Route> routes;
  routes.push_back(get("/healthz", [] { return http::text(200, "ok\n"); }));
  routes.push_back(get("/readyz", [unready = std::move(unready)] {
    auto const why = unready();
    return why.empty() ? http::text(200, "ready\n") : http::problem(503, "Service Unavailable", why);
  }));
  return routes;
}

http::ServerOptions small_options(std::string address, std::uint16_t port) {
  http::ServerOptions options;
  options.address = std::move(address);
  options.port = port;
  options.max_body = 0;  // nothing here takes one
  options.max_connections = kConnections;
  options.max_connections_per_address = kConnectionsPerAddress;
  return options;
}

}  // namespace

std::unique_ptr<http::Server> make_server(boost::asio::any_io_executor executor, std::string address,
                                          std::uint16_t port, metrics::Registry const& registry,
                                          Unready unready) {
  auto routes = probe_routes(std::move(unready));
  routes.push_back(get("/metrics", [&registry] { return exposition(registry); }));
  return std::make_unique<http::Server>(std::move(executor), small_options(std::move(address), port),
                                        std::move(routes));
}

std::unique_ptr<http::Server> make_probe_server(boost::asio::any_io_executor executor, std::string address,
                                                std::uint16_t port, Unready unready) {
  return std::make_unique<http::Server>(std::move(executor), small_options(std::move(address), port),
                                        probe_routes(std::move(unready)));
}

Result<void> start_servers(http::Server& metrics, http::Server* probes, page::Page* page,
                           std::filesystem::path const& ports_file) {
  process::Ports ports;
  for (auto const& [name, server] : {std::pair{"metrics", &metrics}, std::pair{"probes", probes}}) {
    if (server == nullptr) continue;
    if (auto const listening = server->listen(); !listening) return listening.error();
    server->start();
    ports.emplace_back(name, server->port());
  }
  if (page != nullptr) {
    if (auto const started = page->start(); !started) return started.error();
    ports.emplace_back("page", page->port());
  }
  log::info("listening", {{"metrics", metrics.port()},
                          {"probes", probes == nullptr ? 0 : probes->port()},
                          {"page", page == nullptr ? 0 : page->port()},
                          {"version", version()}});
  return process::write_ports(ports_file, std::move(ports));
}

}  // namespace ei
