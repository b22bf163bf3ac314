#include "dispatcher/flags.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/ip/host_name.hpp>
#include <charconv>
#include <cstdlib>

#include "dispatcher/contract/link/protocol.hpp"
#include "runtime/core/origin.hpp"
#include "runtime/core/version.hpp"
#include "runtime/trace/settings.hpp"

namespace ei::dispatcher {
namespace {

// What was read, or the end: a start that can never work as told.
template <class T>
T valid(std::string const& name, Result<T> read) {
  if (!read) throw CLI::ValidationError(name, read.error().message);
  return std::move(*read);
}

/// As spec.dispatcher.limits allows; docs/security.md says why.
constexpr std::size_t kMostPictureBytes = std::size_t{32} << 20;
constexpr std::uint64_t kMostPicturePixels = std::uint64_t{1} << 28;

// A duration flag with its range; the help shows the default.
void add_duration(CLI::App& app, std::string const& name, milliseconds& value, std::string const& help,
                  milliseconds low, milliseconds high) {
  auto const range = "[" + format_duration(low) + ", " + format_duration(high) + "]";
  app.add_option_function<std::string>(
         name,
         [&value, name, low, high, range](std::string const& text) {
           auto const parsed = parse_duration(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
           if (*parsed < low || *parsed > high) {
             throw CLI::ValidationError(name, "is " + text + "; allowed: " + range);
           }
           value = *parsed;
         },
         help + " " + range)
      ->default_str(format_duration(value))
      ->type_name("DURATION");
}

// Both the port of clients and that of workers; probes and metrics have ports of their own.
void add_tls(CLI::App& app, Flags& flags) {
  auto* const certificate =
      app.add_option(
             "--tls-cert", flags.tls.certificate,
             "File with the certificate and its chain (PEM): HTTP and the worker link speak TLS; read "
             "again when it changes, as the two below")
          ->check(CLI::ExistingFile);
  auto* const key =
      app.add_option("--tls-key", flags.tls.key, "File with its private key (PEM)")->check(CLI::ExistingFile);
  auto* const authority =
      app.add_option("--tls-client-ca", flags.tls.client_ca,
                     "File with the authorities (PEM) that must have signed clients' certificates; none: "
                     "clients need no certificate. Workers never need one")
          ->check(CLI::ExistingFile);
  app.add_option_function<std::string>(
         "--tls-client-auth",
         [&flags](std::string const& word) {
           flags.tls_client_auth =
               word == "optional" ? http::ClientAuth::Optional : http::ClientAuth::Required;
         },
         "With it: whether a client without a certificate is served (optional) or not (required)")
      ->check(CLI::IsMember({"optional", "required"}))
      ->default_str("required")
      ->needs(authority);
  certificate->needs(key);
  key->needs(certificate);
  authority->needs(certificate);
}

// The variables are OpenTelemetry's, so that whoever sets them for all programs sets them for this one.
void add_tracing(CLI::App& app, Flags& flags) {
  app.add_option_function<std::string>(
         "--otlp-endpoint",
         [&flags](std::string const& text) {
           flags.collector = trace::Collector{valid("--otlp-endpoint", trace::traces_url(text))};
         },
         "Collector that requests' spans are sent to, by OTLP/HTTP with JSON, such as http://collector:4318; "
         "none: nothing is traced")
      ->envname("OTEL_EXPORTER_OTLP_ENDPOINT")
      ->type_name("URL");
  app.add_option("--trace-ratio", flags.trace_ratio,
                 "With it: part of the requests that are traced of those whose client does not say it in a "
                 "traceparent, from 0 to 1. Without the flag OTEL_TRACES_SAMPLER_ARG says it")
      ->check(CLI::Range(0.0, 1.0));
}

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// With other samplers than ours the variable means something else: what is no part of all is not for us.
double sampled_ratio() {
  auto const text = variable("OTEL_TRACES_SAMPLER_ARG");
  double ratio = 1;
  auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  bool const fine = failed == std::errc() && end == text.data() + text.size() && ratio >= 0 && ratio <= 1;
  return fine ? ratio : 1;
}

// What whoever deploys says of the process counts before what it says itself.
trace::Attributes resource(Flags const& flags) {
  constexpr char const* kGiven = "OTEL_RESOURCE_ATTRIBUTES";
  trace::Attributes out;
  auto const set = [&out](std::string const& name, auto value) {
    auto const same =
        std::find_if(out.begin(), out.end(), [&](auto const& each) { return each.first == name; });
    if (same == out.end())
      out.emplace_back(name, std::move(value));
    else
      same->second = std::move(value);
  };
  set("service.name", std::string("inference-dispatcher"));
  set("service.version", std::string(version()));
  set("service.instance.id", boost::asio::ip::host_name());
  set("model", flags.model);
  for (auto& [name, value] : valid(kGiven, trace::parse_attributes(variable(kGiven))))
    set(name, std::move(value));
  if (auto name = variable("OTEL_SERVICE_NAME"); !name.empty()) set("service.name", std::move(name));
  return out;
}

// Headers have no flag: a command line is no place for secrets.
void read_tracing(CLI::App const& app, Flags& flags) {
  constexpr char const* kHeaders = "OTEL_EXPORTER_OTLP_HEADERS";
  if (!flags.collector) return;
  flags.collector->headers = valid(kHeaders, trace::parse_headers(variable(kHeaders)));
  if (app.count("--trace-ratio") == 0) flags.trace_ratio = sampled_ratio();
  flags.trace_resource = resource(flags);
}

}  // namespace

std::variant<Flags, Exit> parse_flags(int argc, char** argv) {
  Flags flags;
  milliseconds batch_delay{0};
  std::string level = "info";
  CLI::App app("Queues pictures and hands them to workers as they ask for them.", "inference-dispatcher");
  app.set_version_flag("--version", version_and_commit());
  app.option_defaults()->always_capture_default();
  app.add_option("--address", flags.address, "Address to listen on");
  app.add_option("--port", flags.port, "HTTP port; 0 lets the system choose");
  app.add_option("--metrics-port", flags.metrics_port, "Port of /metrics; 0 lets the system choose");
  app.add_option("--link-port", flags.link_port, "Port that workers connect to; 0 lets the system choose");
  auto* const grpc_port =
      app.add_option("--grpc-port", flags.grpc_port, "Port of gRPC; 0, or with --tls-cert: none");
  app.add_option("--http-fd", flags.http_fd,
                 "Descriptor of a listening socket that the starting process keeps, instead of --port: "
                 "connections wait there from one dispatcher to the next");
  app.add_option("--metrics-fd", flags.metrics_fd, "Likewise, instead of --metrics-port");
  app.add_option("--link-fd", flags.link_fd, "Likewise, instead of --link-port");
  app.add_option("--grpc-fd", flags.grpc_fd, "Likewise, instead of --grpc-port");
  app.add_option("--model", flags.model, "Name of the served model; workers of another one are turned away");
  app.add_option("--queue-capacity", flags.queue.capacity, "Requests that may wait; above, 429")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--queue-max-bytes", flags.queue.capacity_bytes, "Bytes that may wait; above, 429")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--upload-max-bytes", flags.upload_max_bytes,
                 "Bytes of bodies that may be on their way in; above, 429")
      ->transform(CLI::AsSizeValue(false));
  app.add_option(
         "--max-connections", flags.max_connections,
         "Connections of clients; above, the slowest is closed; none: the queue's capacity and a quarter "
         "and 1024 more")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option(
      "--max-connections-per-address", flags.max_connections_per_address,
      "Of one client address; none: seven eighths of them, 0: no cap, for clients behind one proxy");
  app.add_option("--max-picture-bytes", flags.picture.max_bytes, "Bytes of a picture's file; above, 413")
      ->check(CLI::Range(std::size_t{1}, kMostPictureBytes));
  app.add_option("--max-picture-pixels", flags.picture.max_pixels,
                 "Pixels of a JPEG; above, 413. A PNG has at most 2^24")
      ->check(CLI::Range(std::uint64_t{1}, kMostPicturePixels));
  add_duration(app, "--request-timeout", flags.request_timeout, "Longest time to an answer", milliseconds(1),
               std::chrono::hours(24));
  add_duration(app, "--latency-target", flags.latency_target,
               "Serve requests that can no longer meet this target only when no fresh one waits; 0: first "
               "come, first served",
               milliseconds(0), std::chrono::hours(24));
  app.add_option("--batch-max-size", flags.batch.max_size, "Pictures in one job")
      ->check(CLI::Range(std::size_t{1}, link::kMaxItems));
  add_duration(app, "--batch-max-delay", batch_delay, "Longest wait for company while a worker is idle",
               milliseconds(0), std::chrono::seconds(10));
  app.add_option(
         "--cors-allowed-origin", flags.cors_allowed_origins,
         "Origin whose pages may use this service from a browser, such as https://app.example.com, or * "
         "for all; may be repeated; none: no page of another origin")
      ->allow_extra_args(false)
      ->check([](std::string const& origin) {
        if (origin == "*" || is_web_origin(origin)) return std::string();
        return "is " + origin + "; allowed: * or " + std::string(kOriginForm);
      });
  app.add_option(
         "--token-file", flags.gate.token_file,
         "File with the token that workers must show; without it and --link-keys every worker is let in")
      ->check(CLI::ExistingFile);
  app.add_option("--former-token-file", flags.gate.former_token_file,
                 "File with a token that is taken too while the file exists, such as an earlier release's");
  auto* const keys =
      app.add_option("--link-keys", flags.gate.keys_file,
                     "File with the public keys by which workers' signed tokens (JWT) are "
                     "checked: {\"issuer\": URL, \"keys\": [JWK, …]}; read again when it changes");
  auto* const audience = app.add_option("--link-audience", flags.gate.expected.audience,
                                        "Audience that a signed token must be for");
  auto* const subject = app.add_option("--link-subject", flags.gate.expected.subjects,
                                       "Whose signed token it must be: system:serviceaccount:NAMESPACE:NAME, "
                                       "or the beginning of such and a *; may be repeated")
                            ->allow_extra_args(false);
  for (auto* const option : {keys, audience, subject}) {
    for (auto* const other : {keys, audience, subject}) {
      if (option != other) option->needs(other);
    }
  }
  add_tls(app, flags);
  add_duration(
      app, "--shutdown-delay", flags.shutdown_delay,
      "Time to serve on after SIGTERM, closing every connection with its next answer, until all clients "
      "have found another dispatcher",
      milliseconds(0), std::chrono::hours(1));
  add_duration(app, "--drain-timeout", flags.drain_timeout, "Time to finish the queue after that",
               milliseconds(0), std::chrono::hours(24));
  add_duration(app, "--header-timeout", flags.header_timeout,
               "Time for a client to send its request's headers; then 408", milliseconds(1),
               std::chrono::hours(24));
  add_duration(app, "--body-timeout", flags.body_timeout,
               "Time for a client to send its request's body; then 408", milliseconds(1),
               std::chrono::hours(24));
  add_duration(
      app, "--grpc-connection-age", flags.grpc_connection_age,
      "Age, give or take a tenth, at which a gRPC connection gets a GOAWAY while its calls go on: its "
      "client comes back on a new one, perhaps to another dispatcher. A drain takes as long where a "
      "client has one",
      milliseconds(100), std::chrono::hours(1));
  add_tracing(app, flags);
  app.add_option("--log-level", level, "debug, info, warn or error");
  app.add_option("--ports-file", flags.ports_file,
                 "Where to write the ports, as JSON, once they are listened on");
  try {
    app.parse(argc, argv);
    auto const parsed = log::parse_level(level);
    if (!parsed) throw CLI::ValidationError("--log-level", parsed.error().message);
    flags.log_level = *parsed;
    read_tracing(app, flags);
    auto const& origins = flags.cors_allowed_origins;
    if (origins.size() > 1 && std::find(origins.begin(), origins.end(), "*") != origins.end())
      throw CLI::ValidationError("--cors-allowed-origin", "* stands for all origins, so it must stand alone");
    if (!flags.tls.certificate.empty()) {
      // An open port beside an encrypted one would be a way around its certificates.
      if (flags.grpc_fd || (grpc_port->count() > 0 && flags.grpc_port != 0))
        throw CLI::ValidationError("--grpc-port", "gRPC does not speak TLS; allowed with --tls-cert: 0");
      flags.grpc_port = 0;
    }
  } catch (CLI::ParseError const& error) {
    // CLI11 prints; its own codes are many, the convention is 2.
    return Exit{app.exit(error) == 0 ? 0 : 2};
  }
  flags.batch.max_delay = batch_delay;
  bool const asks_clients = !flags.tls.client_ca.empty();
  if (asks_clients && flags.tls_client_auth == http::ClientAuth::None)
    flags.tls_client_auth = http::ClientAuth::Required;
  return flags;
}

}  // namespace ei::dispatcher
