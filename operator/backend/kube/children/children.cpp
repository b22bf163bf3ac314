#include "operator/backend/kube/children/children.hpp"

#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/pod_template.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/array.hpp>

#include <utility>

namespace ei::kube {
namespace {

namespace json = boost::json;

// Old ReplicaSets only serve `kubectl rollout undo`, which the operator would put right at once.
constexpr int kRevisionHistory = 2;

constexpr int kDnsPort = 53;

json::object metadata(api::Metadata const& owner, std::string name, std::string_view component) {
  json::object reference{{"apiVersion", api::kApiVersion},
                         {"kind", api::kKind},
                         {"name", owner.name},
                         {"uid", owner.uid},
                         {"controller", true},
                         {"blockOwnerDeletion", true}};
  return {{"name", std::move(name)},
          {"namespace", owner.namespace_name},
          {"labels", child_labels(owner.name, component)},
          {"ownerReferences", json::array{std::move(reference)}}};
}

Child child(ResourceType const& type, json::object metadata, json::object spec) {
  return {type, json::object{{"apiVersion", api_version(type)},
                             {"kind", type.kind},
                             {"metadata", std::move(metadata)},
                             {"spec", std::move(spec)}}};
}

json::object selector(api::Metadata const& owner, std::string_view component) {
  return {{"matchLabels", selector_labels(owner.name, component)}};
}

Child deployment(api::Metadata const& owner, std::string name, std::string_view component, int replicas,
                 json::object pod_template) {
  // A new pod is ready before an old one goes: capacity never drops below what was decided.
  json::object rolling{{"maxUnavailable", 0}, {"maxSurge", "25%"}};
  json::object spec{
      {"replicas", replicas},
      {"revisionHistoryLimit", kRevisionHistory},
      {"selector", selector(owner, component)},
      {"strategy", json::object{{"type", "RollingUpdate"}, {"rollingUpdate", std::move(rolling)}}},
      {"template", std::move(pod_template)}};
  return child(kDeployments, metadata(owner, std::move(name), component), std::move(spec));
}

Child disruption_budget(api::Metadata const& owner, std::string name, std::string_view component) {
  // One at a time, also when there is only one: a node must always be drainable.
  json::object spec{{"maxUnavailable", 1},
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"},
                    {"selector", selector(owner, component)}};
  return child(kPodDisruptionBudgets, metadata(owner, std::move(name), component), std::move(spec));
}

json::object service_port(std::string_view name, int number, std::string_view target) {
  return {{"name", name}, {"port", number}, {"targetPort", target}, {"protocol", "TCP"}};
}

/// The port's name is the pods': while TLS is being switched on or off, who speaks the other scheme gets none
/// of these requests. `appProtocol` tells an ingress or a gateway to speak TLS to the pods.
Child front_service(api::Metadata const& owner, bool tls) {
  auto port = tls ? service_port("https", 443, "https") : service_port("http", 80, "http");
  if (tls) port["appProtocol"] = "https";
  json::array ports{std::move(port)};
  if (!tls) {  // see dispatcher_ports
    auto grpc = service_port("grpc", kDispatcherGrpcPort, "grpc");
    // The standard word for HTTP/2 without TLS: gateways and meshes would take the port for bare TCP, and
    // keep all calls of a client at one dispatcher.
    grpc["appProtocol"] = "kubernetes.io/h2c";
    ports.push_back(std::move(grpc));
  }
  json::object spec{{"type", "ClusterIP"},
                    {"selector", selector_labels(owner.name, kDispatcherComponent)},
                    {"ports", std::move(ports)}};
  return child(kServices, metadata(owner, owner.name, kDispatcherComponent), std::move(spec));
}

/// What workers resolve: every dispatcher's address, also of one that is not ready
/// because it has no worker yet.
Child link_service(api::Metadata const& owner) {
  json::object spec{{"type", "ClusterIP"},
                    {"clusterIP", "None"},
                    {"publishNotReadyAddresses", true},
                    {"selector", selector_labels(owner.name, kDispatcherComponent)},
                    {"ports", json::array{service_port("link", kDispatcherLinkPort, "link"),
                                          service_port("metrics", kDispatcherMetricsPort, "metrics")}}};
  return child(kServices, metadata(owner, link_name(owner.name), kDispatcherComponent), std::move(spec));
}

json::object open_ports(std::initializer_list<int> numbers) {
  json::array ports;
  for (int const number : numbers) ports.push_back(json::object{{"protocol", "TCP"}, {"port", number}});
  return {{"ports", std::move(ports)}};
}

/// `egress` counts where it is limited at all; an empty list is left out, as the
/// server would, and allows nothing.
Child network_policy(api::Metadata const& owner, std::string name, std::string_view component,
                     json::array ingress, bool limit_egress, json::array egress) {
  json::object spec{{"podSelector", selector(owner, component)},
                    {"policyTypes", json::array{"Ingress"}},
                    {"ingress", std::move(ingress)}};
  if (limit_egress) spec["policyTypes"].as_array().emplace_back("Egress");
  if (limit_egress && !egress.empty()) spec["egress"] = std::move(egress);
  return child(kNetworkPolicies, metadata(owner, std::move(name), component), std::move(spec));
}

json::array peers(std::string_view component, api::Metadata const& owner) {
  return {json::object{{"podSelector", selector(owner, component)}}};
}

/// DNS anywhere: a cluster's lies in a namespace of its own, at a node's address or behind a cache.
json::object dns_rule() {
  json::array ports;
  for (auto const* protocol : {"UDP", "TCP"})
    ports.push_back(json::object{{"protocol", protocol}, {"port", kDnsPort}});
  return {{"ports", std::move(ports)}};
}

json::object ip_block(std::string const& network) {
  return {{"ipBlock", json::object{{"cidr", network}}}};
}

// By the label that every namespace has since Kubernetes 1.22.
json::object all_of_namespace(std::string const& name) {
  json::object const labels{{"kubernetes.io/metadata.name", name}};
  return {{"namespaceSelector", json::object{{"matchLabels", labels}}}};
}

/// A dispatcher connects to collectors of spans, whatever port they have, and else to nobody.
json::array dispatcher_egress(ChildOptions const& options) {
  if (options.collectors.empty()) return {};
  json::array collectors;
  for (auto const& each : options.collectors)
    collectors.push_back(each.find('/') == each.npos ? all_of_namespace(each) : ip_block(each));
  return {dns_rule(), json::object{{"to", std::move(collectors)}}};
}

/// The link is open to the service's own workers alone.
Child dispatcher_policy(api::Metadata const& owner, ChildOptions const& options) {
  auto link = open_ports({kDispatcherLinkPort});
  link["from"] = peers(kWorkerComponent, owner);
  json::array ingress{open_ports({kDispatcherPort, kDispatcherGrpcPort, kDispatcherMetricsPort}),
                      std::move(link)};
  return network_policy(owner, dispatcher_name(owner.name), kDispatcherComponent, std::move(ingress),
                        options.egress_policy, dispatcher_egress(options));
}

Child worker_policy(api::Metadata const& owner, ChildOptions const& options) {
  json::array ingress{open_ports({kWorkerMetricsPort})};
  auto link = open_ports({kDispatcherLinkPort});
  link["to"] = peers(kDispatcherComponent, owner);
  json::array egress{std::move(link), dns_rule()};
  json::array blocks;
  for (auto const& network : options.model_networks) blocks.push_back(ip_block(network));
  // Whatever port their URLs name.
  if (!blocks.empty()) egress.push_back(json::object{{"to", std::move(blocks)}});
  return network_policy(owner, worker_name(owner.name), kWorkerComponent, std::move(ingress),
                        options.egress_policy, std::move(egress));
}

}  // namespace

std::string Child::name() const {
  return std::string(string_or(object.at("metadata"), "name"));
}

std::vector<Child> dispatcher_children(api::Metadata const& owner, api::Spec const& spec, int replicas,
                                       ChildOptions const& options) {
  std::vector<Child> children;
  children.push_back(front_service(owner, spec.dispatcher.tls.on()));
  children.push_back(link_service(owner));
  if (options.network_policy) children.push_back(dispatcher_policy(owner, options));
  children.push_back(disruption_budget(owner, dispatcher_name(owner.name), kDispatcherComponent));
  children.push_back(deployment(owner, dispatcher_name(owner.name), kDispatcherComponent, replicas,
                                dispatcher_pod_template(owner, spec, options)));
  return children;
}

std::vector<Child> worker_children(api::Metadata const& owner, api::Spec const& spec, int replicas,
                                   ChildOptions const& options) {
  std::vector<Child> children;
  if (options.network_policy) children.push_back(worker_policy(owner, options));
  children.push_back(disruption_budget(owner, worker_name(owner.name), kWorkerComponent));
  children.push_back(deployment(owner, worker_name(owner.name), kWorkerComponent, replicas,
                                worker_pod_template(owner, spec, options)));
  return children;
}

Child service_monitor(api::Metadata const& owner) {
  // A label as Prometheus writes it: what is neither letter nor digit is an underscore.
  json::object relabeling{
      {"sourceLabels", json::array{"__meta_kubernetes_service_label_elasticinference_dev_service"}},
      {"targetLabel", "service"}};
  json::object endpoint{
      {"port", "metrics"}, {"interval", "15s"}, {"relabelings", json::array{std::move(relabeling)}}};
  json::object names{{"matchNames", json::array{owner.namespace_name}}};
  json::object spec{{"selector", selector(owner, kDispatcherComponent)},
                    {"namespaceSelector", std::move(names)},
                    {"endpoints", json::array{std::move(endpoint)}}};
  return child(kServiceMonitors, metadata(owner, owner.name, kDispatcherComponent), std::move(spec));
}

Child link_keys(api::Metadata const& owner, std::string const& document) {
  json::object map{{"apiVersion", api_version(kConfigMaps)},
                   {"kind", kConfigMaps.kind},
                   {"metadata", metadata(owner, keys_name(owner.name), kDispatcherComponent)},
                   {"data", json::object{{kLinkKeysFile, document}}}};
  return {kConfigMaps, std::move(map)};
}

}  // namespace ei::kube
