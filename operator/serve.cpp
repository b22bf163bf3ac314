#include "operator/serve.hpp"

#include <boost/asio/awaitable.hpp>

#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"

namespace ei {
namespace {

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

}  // namespace

std::unique_ptr<http::Server> make_server(boost::asio::any_io_executor executor, std::string address,
                                          std::uint16_t port, metrics::Registry const& registry,
                                          std::function<bool()> ready) {
  http::ServerOptions options;
  options.address = std::move(address);
  options.port = port;
  options.max_connections = 64;  // a few scrapers and probes
  std::vector<http::Route> routes;
  routes.push_back(get("/healthz", [] { return http::text(200, "ok\n"); }));
  routes.push_back(get("/readyz", [ready = std::move(ready)] {
    return ready() ? http::text(200, "ready\n")
                   : http::problem(503, "Service Unavailable", "what there is has not been read yet");
  }));
  routes.push_back(get("/metrics", [&registry] { return exposition(registry); }));
  return std::make_unique<http::Server>(std::move(executor), std::move(options), std::move(routes));
}

Result<void> start_server(http::Server& server, std::filesystem::path const& ports_file) {
  auto const listening = server.listen();
  if (!listening) return listening.error();
  server.start();
  log::info("listening", {{"metrics", server.port()}, {"version", EI_VERSION}});
  return process::write_ports(ports_file, {{"metrics", server.port()}});
}

}  // namespace ei
