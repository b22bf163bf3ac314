#include "operator/flags.hpp"

#include <CLI/CLI.hpp>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace ei {
namespace {

constexpr char const* kLocal = "On this machine";
constexpr char const* kCluster = "On a cluster";

void add_local(CLI::App& app, Flags& flags, std::string& drain_timeout) {
  app.add_option("--local", flags.local,
                 "Run the services of these manifests (files or folders) as processes here")
      ->group(kLocal);
  app.add_flag("--once", flags.once, "Check the manifests, print what would be done, and end")->group(kLocal);
  app.add_option("--bin-dir", flags.bin_dir, "Folder of inference-dispatcher and inference-worker")
      ->group(kLocal);
  app.add_option("--address", flags.address,
                 "IP address that the services listen on; workers and dispatchers talk on the loopback")
      ->group(kLocal);
  app.add_option("--dispatcher-port", flags.dispatcher_port,
                 "Port of the first service, where it is free; 0: whatever is free")
      ->group(kLocal);
  app.add_option(
         "--drain-timeout", drain_timeout,
         "How long a process may finish its work when it is stopped; at least a service's requestTimeout")
      ->group(kLocal);
  app.add_flag("--no-table", flags.no_table, "Log lines instead of the live table, also on a terminal")
      ->group(kLocal);
  app.add_option("--log-file", flags.log_file, "Append the log there instead of standard error")
      ->group(kLocal);
  app.add_option("--status-json", flags.status_json, "Keep the newest status of every service in this file")
      ->group(kLocal);
}

std::string is_network(std::string const& text) {
  boost::system::error_code not_v4;
  boost::system::error_code not_v6;
  boost::asio::ip::make_network_v4(text, not_v4);
  boost::asio::ip::make_network_v6(text, not_v6);
  if (!not_v4 || !not_v6) return {};
  return "is '" + text + "'; allowed: a network such as 203.0.113.0/24 or 2001:db8::/32";
}

void add_cluster(CLI::App& app, Flags& flags) {
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Instead of the pod's own access, $KUBECONFIG or ~/.kube/config")
      ->group(kCluster);
  app.add_option("--context", flags.context, "Context of the kubeconfig")->group(kCluster);
  app.add_option("--namespace", flags.namespaces, "Watch this namespace only; may be repeated")
      ->group(kCluster);
  app.add_flag("--leader-elect", flags.leader_elect, "Several operators share the work: one leads")
      ->group(kCluster);
  app.add_option("--lease-name", flags.lease_name,
                 "Lease of those that share the work, in their own namespace")
      ->capture_default_str()
      ->group(kCluster);
  app.add_option("--dispatcher-image", flags.dispatcher_image, "Image of the dispatchers")->group(kCluster);
  app.add_option("--worker-image", flags.worker_image, "Image of the workers where a service names none")
      ->group(kCluster);
  app.add_option("--image-pull-secret", flags.image_pull_secrets, "For the pods; may be repeated")
      ->group(kCluster);
  app.add_option("--priority-class", flags.priority_class, "For the pods")->group(kCluster);
  auto* const none = app.add_flag("--no-network-policy", flags.no_network_policy, "Make no NetworkPolicies")
                         ->group(kCluster);
  auto* const egress =
      app.add_flag("--egress-policy", flags.egress_policy,
                   "Let dispatchers connect to nobody, and workers to their dispatchers, DNS and "
                   "--model-network alone")
          ->excludes(none)
          ->group(kCluster);
  app.add_option("--model-network", flags.model_networks,
                 "CIDR of hosts that weights and labels are fetched from; may be repeated")
      ->needs(egress)
      ->check(is_network)
      ->group(kCluster);
  app.add_flag("--no-service-monitor", flags.no_service_monitors, "Make no ServiceMonitors")->group(kCluster);
}

}  // namespace

std::variant<Flags, Exit> parse_flags(int argc, char** argv) {
  Flags flags;
  std::string drain_timeout = format_duration(flags.drain_timeout);
  std::string level = "info";
  CLI::App app("Keeps InferenceServices running: their dispatchers, and as many workers as the queue needs.",
               "inference-operator");
  app.set_version_flag("--version", EI_VERSION);
  add_local(app, flags, drain_timeout);
  add_cluster(app, flags);
  app.add_option("--prometheus-url", flags.prometheus_url,
                 "Server that answers spec.scaling.prometheusQuery, instead of $PROMETHEUS_URL");
  app.add_option("--metrics-port", flags.metrics_port,
                 "Port of /metrics, /healthz and /readyz; 0: whatever is free");
  app.add_option("--probe-port", flags.probe_port,
                 "Port of /healthz and /readyz alone, which scrapers cannot fill; 0: whatever is free; none: "
                 "only the metrics port has them")
      ->group(kCluster);
  app.add_option("--ports-file", flags.ports_file,
                 "Where to write these ports, as JSON, once they are listened on");
  app.add_option("--decision-log", flags.decision_log,
                 "Write every decision with all its inputs there, one a line");
  app.add_option("--log-level", level, "debug, info, warn or error");
  try {
    app.parse(argc, argv);
    auto const parsed = log::parse_level(level);
    if (!parsed) throw CLI::ValidationError("--log-level", parsed.error().message);
    flags.log_level = *parsed;
    auto const drain = parse_duration(drain_timeout);
    if (!drain) throw CLI::ValidationError("--drain-timeout", drain.error().message);
    flags.drain_timeout = *drain;
    if (flags.once && flags.local.empty()) throw CLI::ValidationError("--once", "needs --local");
  } catch (CLI::ParseError const& error) {
    // CLI11 prints; its own codes are many, the convention is 2.
    return Exit{app.exit(error) == 0 ? 0 : 2};
  }
  return flags;
}

}  // namespace ei
