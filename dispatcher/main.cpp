// inference-dispatcher: one central queue, HTTP in front of it, workers behind.
#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "dispatcher/flags.hpp"
#include "dispatcher/grpc/server.hpp"
#include "dispatcher/live/live_exchange.hpp"
#include "dispatcher/metrics/metrics.hpp"
#include "dispatcher/routes/routes.hpp"
#include "dispatcher/trace/tracer.hpp"
#include "dispatcher/workers/link_route.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/version.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/http/body_budget.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"
#include "runtime/process/usage.hpp"
#include "runtime/tls/renewal.hpp"
#include "runtime/trace/exporter.hpp"

namespace {

using namespace ei;
using namespace ei::dispatcher;
namespace json = boost::json;

// What one request and its answer still need after the queue is empty.
constexpr milliseconds kAnswerGrace{5'000};
// A refusal that is ready to be sent is some hundred bytes.
constexpr milliseconds kRefusalGrace{1'000};
// For probes, a few scrapers and the operator, whom a crowd of small clients must not reach: 8 MiB at most.
constexpr std::size_t kMetricsConnections = 256;
// Of one address: half of them are always left for the others.
constexpr std::size_t kMetricsConnectionsPerAddress = 128;
// For the link, the metrics, the log, what the libraries open, and gRPC's connections.
constexpr std::size_t kSpareDescriptors = 256 + kGrpcConnections;

void log_death(Death const& death) {
  json::array pictures;
  for (auto const& picture : death.pictures) {
    json::object entry{{"bytes", picture.bytes}};
    if (!picture.digest.empty()) entry["sha256"] = picture.digest;
    if (!picture.request_id.empty()) entry["request_id"] = picture.request_id;
    pictures.push_back(std::move(entry));
  }
  log::warn(
      "worker_lost",
      {{"worker", death.worker}, {"reason", to_string(death.reason)}, {"pictures", std::move(pictures)}});
}

void log_quarantine(Quarantine const& picture) {
  log::warn("picture_quarantined",
            {{"sha256", picture.digest},
             {"bytes", picture.bytes},
             {"workers_lost", picture.deaths},
             {"seconds", std::chrono::duration_cast<std::chrono::seconds>(kQuarantinedFor).count()}});
}

ExchangeOptions exchange_options(Flags const& flags, Metrics& metrics) {
  ExchangeOptions options;
  options.model = flags.model;
  options.queue = flags.queue;
  options.batch = flags.batch;
  options.latency_target = flags.latency_target;
  options.job_timeout = std::max(options.job_timeout, Duration(2 * flags.request_timeout));
  options.digest = crypto::sha256_hex;
  options.on_death = log_death;
  options.on_quarantine = log_quarantine;
  options.on_cold_start = [&metrics](Duration waited) { metrics.cold_start(waited); };
  return options;
}

// Where spans go, and what is told of it.
struct Tracing {
  trace::Exporter exporter;
  Tracer tracer;
  TraceMetrics metrics;

  Tracing(asio::any_io_executor const& executor, Flags const& flags, metrics::Registry& registry)
      : exporter(executor, *flags.collector, flags.trace_resource),
        tracer(exporter, flags.trace_ratio),
        metrics(registry) {}
};

// Of the process's end: a collector that is there takes what is left in a moment.
constexpr milliseconds kLastSpans{2'000};

// The certificate of the port of clients and of that of workers, and what is told of it.
struct Encryption {
  tls::Renewal renewal;
  TlsMetrics metrics;
  std::shared_ptr<http::HandshakeQueue> handshakes;
  std::shared_ptr<http::ServerTls const> clients;
  std::shared_ptr<http::ServerTls const> workers;

  Encryption(asio::any_io_executor executor, tls::Renewal taken, metrics::Registry& registry)
      : renewal(std::move(taken)),
        metrics(registry, renewal.expires()),
        handshakes(std::make_shared<http::HandshakeQueue>(std::move(executor))) {}

  void on(http::ServerOptions& options, std::shared_ptr<http::ServerTls const> const& tls) {
    options.tls = tls;
    options.handshakes = handshakes;
    options.on_handshake_failed = [this](http::HandshakeFault fault) { metrics.handshake_failed(fault); };
  }
};

// Null where no certificate was given.
Result<std::unique_ptr<Encryption>> encryption(asio::any_io_executor const& executor, Flags const& flags,
                                               metrics::Registry& registry) {
  std::unique_ptr<Encryption> none;
  if (flags.tls.certificate.empty()) return none;
  auto renewal = tls::Renewal::make(flags.tls);
  if (!renewal) return renewal.error();
  auto made = std::make_unique<Encryption>(executor, std::move(*renewal), registry);
  auto clients = made->renewal.serve(flags.tls_client_auth);
  if (!clients) return clients.error();
  // A worker shows a token, and has no certificate.
  auto workers = made->renewal.serve(http::ClientAuth::None);
  if (!workers) return workers.error();
  made->clients = std::move(*clients);
  made->workers = std::move(*workers);
  log::info("tls_certificate", {{"expires", format_rfc3339_seconds(made->renewal.expires())}});
  return made;
}

http::ServerOptions server_options(Flags const& flags, std::uint16_t port, std::optional<int> descriptor) {
  http::ServerOptions options;
  options.address = flags.address;
  options.port = port;
  options.descriptor = descriptor;
  options.header_timeout = flags.header_timeout;
  options.body_timeout = flags.body_timeout;
  return options;
}

http::ServerOptions main_options(Flags const& flags, std::shared_ptr<http::BodyBudget> bodies,
                                 Metrics& metrics) {
  auto options = server_options(flags, flags.port, flags.http_fd);
  options.max_connections = flags.max_connections.value_or(max_connections_for(flags.queue.capacity));
  // Every connection is a descriptor: without this the last ones would not be refused but left hanging.
  auto const descriptors = process::max_descriptors();
  auto const most = descriptors > 2 * kSpareDescriptors ? descriptors - kSpareDescriptors : descriptors / 2;
  if (options.max_connections > most) {
    log::warn("fewer_connections", {{"wanted", options.max_connections}, {"descriptors", descriptors}});
    options.max_connections = most;
  }
  // Whoever floods from one address leaves room for others; a proxy before all clients hardly notices.
  options.max_connections_per_address =
      flags.max_connections_per_address.value_or(options.max_connections - options.max_connections / 8);
  options.bodies = std::move(bodies);
  options.on_completed = [&metrics](http::Completed const& answer) { metrics.completed(answer); };
  return options;
}

GrpcOptions grpc_options(Flags const& flags, std::shared_ptr<http::BodyBudget> bodies, Metrics& metrics) {
  GrpcOptions options;
  options.address = flags.address;
  options.port = flags.grpc_port;
  options.descriptor = flags.grpc_fd;
  options.model = {flags.model};
  options.request_timeout = flags.request_timeout;
  options.body_timeout = flags.body_timeout;
  options.picture = flags.picture;
  // Whoever waits holds a call, as over HTTP a connection.
  options.max_calls = max_connections_for(flags.queue.capacity);
  options.connection_age = flags.grpc_connection_age;
  if (auto const most = flags.max_connections_per_address) options.max_connections_per_address = *most;
  options.bodies = std::move(bodies);
  options.on_completed = [&metrics](http::Completed const& answer) { metrics.completed(answer); };
  return options;
}

http::ServerOptions metrics_options(Flags const& flags) {
  auto options = server_options(flags, flags.metrics_port, flags.metrics_fd);
  options.max_body = 0;  // nothing there takes one
  options.max_connections = kMetricsConnections;
  options.max_connections_per_address = kMetricsConnectionsPerAddress;
  return options;
}

// What listens.
struct Listeners {
  http::Server& main;
  http::Server& metrics;
  http::Server& link;
  std::optional<GrpcServer>& grpc;
};

Result<void> listen_all(Flags const& flags, Listeners& listeners) {
  for (http::Server* server : {&listeners.main, &listeners.metrics, &listeners.link}) {
    if (auto listening = server->listen(); !listening) return listening.error();
    server->start();
  }
  process::Ports ports{{"http", listeners.main.port()},
                       {"metrics", listeners.metrics.port()},
                       {"link", listeners.link.port()}};
  if (listeners.grpc) {
    if (auto listening = listeners.grpc->listen(); !listening) return listening.error();
    if (auto started = listeners.grpc->start(); !started) return started.error();
    ports.emplace_back("grpc", listeners.grpc->port());
  }
  json::object line{{"address", flags.address}, {"model", flags.model}, {"version", version()}};
  for (auto const& [name, port] : ports) line[name] = port;
  log::write(log::Level::Info, "listening", line);
  return process::write_ports(flags.ports_file, ports);
}

// While load balancers still send requests here they are served, each on its connection's last answer; a
// client that keeps its connection alive is so moved without losing a request. False: a signal cut it short.
asio::awaitable<bool> serve_on(Flags const& flags, LiveExchange& live, process::Signals& signals,
                               Listeners& listeners) {
  using asio::experimental::awaitable_operators::operator||;
  if (flags.shutdown_delay <= milliseconds(0)) co_return true;
  live.leave();
  listeners.main.leave();
  if (listeners.grpc) listeners.grpc->leave();
  log::info("leaving", {{"connections", listeners.main.connections()}});
  auto const ended = co_await (sleep_for(flags.shutdown_delay) || signals.next());
  if (ended.index() != 0) co_return false;
  if (listeners.grpc) {
    auto const gone = co_await (listeners.grpc->drain_connections() || signals.next());
    if (gone.index() != 0) co_return false;
  }
  // Whoever is silent now was so all the time: the next request comes on a connection
  // that is closed, not refused.
  listeners.main.close_idle();
  co_return true;
}

// Refuses what is new, finishes the queue, and only then lets the workers go. A second signal cuts it short.
asio::awaitable<void> drain(Flags const& flags, LiveExchange& live, process::Signals& signals,
                            Listeners& listeners) {
  using asio::experimental::awaitable_operators::operator||;
  bool const in_peace = co_await serve_on(flags, live, signals, listeners);
  live.drain();
  log::info("draining",
            {{"queue", live.exchange().queue().size()}, {"in_flight", live.exchange().queue().in_flight()}});
  auto const patience = in_peace ? flags.drain_timeout : milliseconds(0);
  auto const ended = co_await (live.wait_idle(patience) || signals.next());
  bool const finished = ended.index() == 0 && std::get<0>(ended);
  std::size_t const open = live.exchange().open();
  if (!finished) live.abort();
  auto const grace = finished ? kAnswerGrace : kRefusalGrace;
  co_await listeners.main.drain(grace);
  if (listeners.grpc) co_await listeners.grpc->drain(grace);
  co_await listeners.link.drain(milliseconds(0));
  co_await listeners.metrics.drain(milliseconds(0));
  log::info("drained", {{"finished", finished}, {"open", open}});
}

asio::awaitable<int> run(Flags const& flags) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  if (flags.gate.open())
    log::warn("link_open", {{"detail", "no --token-file and no --link-keys: every worker is let in"}});
  auto gate = LinkGate::make(flags.gate);
  if (!gate) {
    log::error("bad_link_credential", {{"error", gate.error().message}});
    co_return 1;
  }
  process::Signals signals(executor);
  metrics::Registry registry;
  Metrics metrics(registry);
  auto const secured = encryption(executor, flags, registry);
  if (!secured) {
    log::error("bad_certificate", {{"error", secured.error().message}});
    co_return 1;
  }
  process::UsageMeter usage;
  LiveExchange live(executor, exchange_options(flags, metrics));
  std::optional<Tracing> tracing;
  if (flags.collector) tracing.emplace(executor, flags, registry);
  RouteContext context{
      live, {{flags.model}, flags.request_timeout, flags.picture, flags.cors_allowed_origins}, {}};
  context.exposition = [&] {
    metrics.collect(live.exchange(), usage.sample(), std::chrono::steady_clock::now());
    if (auto* const tls = secured->get()) tls->metrics.collect(*tls->handshakes);
    if (tracing) tracing->metrics.collect(tracing->exporter);
    return registry.exposition();
  };
  auto const bodies = std::make_shared<http::BodyBudget>(flags.upload_max_bytes);
  auto served = main_options(flags, bodies, metrics);
  served.request_ids = true;
  auto calls = grpc_options(flags, bodies, metrics);
  if (tracing) {
    auto& tracer = tracing->tracer;
    served.on_tag = calls.on_tag = [&tracer](RequestTag& tag) { tracer.begin(tag); };
    served.on_completed = calls.on_completed = [&metrics, &tracer](http::Completed const& answer) {
      metrics.completed(answer);
      tracer.completed(answer);
    };
    live.on_answered([&tracer](auto const& tag, SteadyTime arrived, auto const& answers) {
      tracer.answered(tag, arrived, answers);
    });
  }
  served.add_headers = [cors = cors_options(context.options)](std::string_view origin,
                                                              http::Headers& headers) {
    http::add_cors_headers(cors, origin, headers);
  };
  auto linked = server_options(flags, flags.link_port, flags.link_fd);
  if (*secured) (*secured)->on(served, (*secured)->clients);
  if (*secured) (*secured)->on(linked, (*secured)->workers);
  http::Server main(executor, std::move(served), main_routes(context));
  http::Server metrics_server(executor, metrics_options(flags), metrics_routes(context));
  LinkOptions link_options{std::move(*gate)};
  std::vector<http::WebSocketRoute> link_routes;
  link_routes.push_back(link_route(executor, live, std::move(link_options)));
  http::Server link(executor, std::move(linked), {}, std::move(link_routes));

  std::optional<GrpcServer> grpc;
  if (flags.grpc_port != 0 || flags.grpc_fd) {
    grpc.emplace(executor, live, std::move(calls));
    live.on_readiness([&grpc] { grpc->readiness_changed(); });
  }
  Listeners listeners{main, metrics_server, link, grpc};
  if (auto const listening = listen_all(flags, listeners); !listening) {
    log::error("cannot_listen", {{"error", listening.error().message}});
    co_return 1;
  }
  TaskGroup background(executor, log::failed_task);
  if (auto* const tls = secured->get()) {
    background.spawn("tls", [tls] {
      return tls::follow(tls->renewal, [tls](tls::Outcome outcome) {
        tls->metrics.renewed(outcome, tls->renewal.expires());
      });
    });
  }
  if (tracing) background.spawn("spans", [&tracing] { return tracing->exporter.run(); });
  int const signal = co_await signals.next();
  log::info("signal", {{"number", signal}});
  co_await drain(flags, live, signals, listeners);
  live.on_readiness({});
  co_await background.stop();
  if (tracing) co_await tracing->exporter.flush(kLastSpans);
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto const parsed = parse_flags(argc, argv);
  if (auto const* exit = std::get_if<Exit>(&parsed)) return exit->code;
  Flags const& flags = std::get<Flags>(parsed);
  log::set_level(flags.log_level);
  process::allow_many_descriptors();  // every waiting request holds a connection
  asio::io_context context(1);
  return process::run_to_end(context, run(flags));
}
