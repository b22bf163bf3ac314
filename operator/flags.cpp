#include "operator/flags.hpp"

#include <CLI/CLI.hpp>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include "operator/api/names.hpp"
#include "runtime/core/version.hpp"

namespace ei {
namespace {

constexpr char const* kLocal = "On this machine";
constexpr char const* kCluster = "On a cluster";
constexpr char const* kAllow = "What authors of services may ask for ('none': nothing; '*': anything)";

/// The flags as they are given; an empty list stands for a flag that is not given.
struct AllowFlags {
  std::vector<std::string> images;
  std::vector<std::string> schemes;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<std::string> tolerations;
  std::vector<std::string> tls_secrets;
  std::vector<std::string> service_accounts;
  std::vector<std::string> priority_classes;
  std::vector<std::string> labels;
  std::vector<std::string> annotations;
  std::vector<std::string> env;
  std::string claim;
  std::vector<std::string> webhook_hosts;
  std::vector<std::string> webhook_addresses;
  bool no_prometheus_query = false;
};

void add_allow(CLI::App& app, AllowFlags& flags) {
  app.add_option(
         "--allow-image", flags.images,
         "Besides the workers' own image: repository, or beginning of its path; may be repeated. On a "
         "cluster none, unless given")
      ->group(kAllow);
  app.add_option("--allow-model-scheme", flags.schemes,
                 "Of model and labels: https, file, pvc, builtin; may be repeated. All, unless given")
      ->group(kAllow);
  app.add_option(
         "--allow-model-host", flags.hosts,
         "Of https, also after a redirect: HOST, *.DOMAIN, with :PORT; may be repeated. All, unless given")
      ->group(kAllow);
  app.add_option(
         "--allow-model-address", flags.addresses,
         "Of https: private, loopback; may be repeated. On a cluster public ones alone, unless given; "
         "link-local and metadata addresses never")
      ->group(kAllow);
  app.add_option(
         "--allow-claim", flags.claim,
         "PersistentVolumeClaims for pvc://, by LABEL or LABEL=VALUE. On a cluster none, unless given")
      ->group(kAllow);
  app.add_option("--allow-toleration", flags.tolerations,
                 "Key of tolerations; may be repeated. On a cluster none, unless given")
      ->group(kAllow);
  app.add_option(
         "--allow-tls-secret", flags.tls_secrets,
         "Name of spec.dispatcher.tls.secretName, or its beginning and a *; may be repeated. All, unless "
         "given")
      ->group(kAllow);
  auto const names = [&](char const* flag, std::vector<std::string>& target, std::string const& what) {
    app.add_option(flag, target, "Name, or its beginning and a *, of " + what + "; may be repeated")
        ->group(kAllow);
  };
  names("--allow-service-account", flags.service_accounts,
        "the pods' service account, besides default. On a cluster none, unless given");
  names("--allow-priority-class", flags.priority_classes,
        "the pods' PriorityClass, besides that of --priority-class. On a cluster none, unless given");
  names("--allow-label", flags.labels, "labels of pods. All but reserved ones, unless given");
  names("--allow-annotation", flags.annotations, "annotations of pods. All but reserved ones, unless given");
  names("--allow-env", flags.env, "environment variables of pods. All but reserved ones, unless given");
  app.add_option(
         "--allow-webhook-host", flags.webhook_hosts,
         "Of spec.scaling.webhook.url: HOST, *.DOMAIN, with :PORT; may be repeated. All, unless given")
      ->group(kAllow);
  app.add_option(
         "--allow-webhook-address", flags.webhook_addresses,
         "Of the same: private, loopback, or service for private addresses of NAME.NAMESPACE.svc; may "
         "be repeated. On a cluster public ones alone, unless given; link-local and metadata addresses "
         "never")
      ->group(kAllow);
  app.add_flag("--no-prometheus-query", flags.no_prometheus_query, "Refuse spec.scaling.prometheusQuery")
      ->group(kAllow);
}

bool is_none(std::vector<std::string> const& words) {
  return words.size() == 1 && words.front() == "none";
}

void take_list(std::vector<std::string> const& given, std::vector<std::string>& target) {
  if (!given.empty()) target = is_none(given) ? std::vector<std::string>{} : given;
}

void take_schemes(std::vector<std::string> const& given, api::Allowed& allowed) {
  if (given.empty()) return;
  auto const known = api::Allowed{}.schemes;
  if (given != std::vector<std::string>{"*"}) allowed.schemes.clear();
  if (is_none(given) || given == std::vector<std::string>{"*"}) return;
  for (auto const& word : given) {
    if (!known.contains(word)) {
      throw CLI::ValidationError("--allow-model-scheme",
                                 "'" + word + "': allowed are https, file, pvc, builtin, * and none");
    }
    allowed.schemes.insert(word);
  }
}

void take_addresses(std::vector<std::string> const& given, char const* flag, AllowedAddresses& allowed) {
  if (given.empty()) return;
  allowed = {};
  if (is_none(given)) return;
  for (auto const& word : given) {
    if (auto const known = allow(allowed, word); !known)
      throw CLI::ValidationError(flag, known.error().message);
  }
}

void take_webhook_addresses(std::vector<std::string> words, api::Allowed& allowed) {
  bool const given = !words.empty();
  allowed.webhook_services = std::erase(words, "service") > 0;
  if (given && words.empty()) allowed.webhook_addresses = {};
  take_addresses(words, "--allow-webhook-address", allowed.webhook_addresses);
}

void check_hosts(std::vector<std::string> const& hosts, char const* flag) {
  for (auto const& host : hosts) {
    if (auto const fault = host_pattern_fault(host); !fault.empty()) throw CLI::ValidationError(flag, fault);
  }
}

api::Allowed allowed_of(AllowFlags const& flags, bool local) {
  auto allowed = local ? api::everything_allowed() : api::Allowed{};
  take_list(flags.images, allowed.images);
  take_list(flags.hosts, allowed.hosts);
  take_list(flags.tolerations, allowed.toleration_keys);
  take_list(flags.tls_secrets, allowed.tls_secrets);
  take_list(flags.service_accounts, allowed.service_accounts);
  take_list(flags.priority_classes, allowed.priority_classes);
  take_list(flags.labels, allowed.labels);
  take_list(flags.annotations, allowed.annotations);
  take_list(flags.env, allowed.env);
  take_list(flags.webhook_hosts, allowed.webhook_hosts);
  check_hosts(allowed.hosts, "--allow-model-host");
  check_hosts(allowed.webhook_hosts, "--allow-webhook-host");
  take_schemes(flags.schemes, allowed);
  take_addresses(flags.addresses, "--allow-model-address", allowed.addresses);
  take_webhook_addresses(flags.webhook_addresses, allowed);
  if (!flags.claim.empty()) {
    auto const rule = api::parse_claim_rule(flags.claim);
    if (!rule) throw CLI::ValidationError("--allow-claim", rule.error().message);
    allowed.claims = *rule;
  }
  allowed.prometheus_query = !flags.no_prometheus_query;
  return allowed;
}

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
                   "Let dispatchers connect to --collector alone, and workers to their dispatchers, DNS and "
                   "--model-network alone")
          ->excludes(none)
          ->group(kCluster);
  app.add_option("--model-network", flags.model_networks,
                 "CIDR of hosts that weights and labels are fetched from; may be repeated")
      ->needs(egress)
      ->check(is_network)
      ->group(kCluster);
  app.add_option("--collector", flags.collectors,
                 "CIDR or namespace of collectors that dispatchers may send spans to; may be repeated")
      ->needs(egress)
      ->check([](std::string const& text) {
        return text.find('/') != text.npos || !api::is_dns_label(text, true) ? is_network(text)
                                                                             : std::string();
      })
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
  app.set_version_flag("--version", version_and_commit());
  app.footer("For people, instead of an operator: explain, top, replay; each with --help.");
  add_local(app, flags, drain_timeout);
  add_cluster(app, flags);
  AllowFlags allow;
  add_allow(app, allow);
  app.add_option("--prometheus-url", flags.prometheus_url,
                 "Server that answers spec.scaling.prometheusQuery, instead of $PROMETHEUS_URL");
  app.add_option("--metrics-port", flags.metrics_port,
                 "Port of /metrics, /healthz and /readyz; 0: whatever is free");
  app.add_option("--probe-port", flags.probe_port,
                 "Port of /healthz and /readyz alone, which scrapers cannot fill; 0: whatever is free; none: "
                 "only the metrics port has them")
      ->group(kCluster);
  auto* const page =
      app.add_option("--page-port", flags.page_port,
                     "Port of the live page, for browsers; 0: whatever is free; none: there is no page");
  app.add_option(
         "--page-address", flags.page_address,
         "Where the page listens; without a token file it answers under IP addresses and localhost alone")
      ->capture_default_str()
      ->needs(page);
  app.add_option("--page-token-file", flags.page_token_file,
                 "File with the bearer token that the page asks for; it may change")
      ->needs(page);
  app.add_option("--ports-file", flags.ports_file,
                 "Where to write these ports, as JSON, once they are listened on");
  app.add_option("--decision-log", flags.decision_log,
                 "Write every decision with all its inputs there, one a line; - is standard output");
  app.add_option("--log-level", level, "debug, info, warn or error");
  try {
    app.parse(argc, argv);
    auto const parsed = log::parse_level(level);
    if (!parsed) throw CLI::ValidationError("--log-level", parsed.error().message);
    flags.log_level = *parsed;
    auto const drain = parse_duration(drain_timeout);
    if (!drain) throw CLI::ValidationError("--drain-timeout", drain.error().message);
    flags.drain_timeout = *drain;
    flags.allowed = allowed_of(allow, !flags.local.empty());
    flags.allowed.worker_image = flags.worker_image;
    flags.allowed.priority_class = flags.priority_class;
    if (flags.once && flags.local.empty()) throw CLI::ValidationError("--once", "needs --local");
  } catch (CLI::ParseError const& error) {
    // CLI11 prints; its own codes are many, the convention is 2.
    return Exit{app.exit(error) == 0 ? 0 : 2};
  }
  return flags;
}

}  // namespace ei
