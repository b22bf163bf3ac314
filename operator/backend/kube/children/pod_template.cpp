#include "operator/backend/kube/children/pod_template.hpp"

#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/model_queries.hpp"
#include "operator/backend/kube/children/pod_fields.hpp"
#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "operator/plan/arguments.hpp"
#include "operator/plan/footprint.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/array.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ei::kube {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Folders of their own, and no file by subPath, which would never be updated.
constexpr std::string_view kTokenDirectory = "/var/run/elastic-inference/link";
constexpr std::string_view kTokenFile = "/var/run/elastic-inference/link/token";
constexpr std::string_view kKeysDirectory = "/var/run/elastic-inference/keys";
constexpr std::string_view kKeysFile = "/var/run/elastic-inference/keys/keys.json";
constexpr std::string_view kFormerDirectory = "/var/run/elastic-inference/former";
constexpr std::string_view kFormerFile = "/var/run/elastic-inference/former/token";
constexpr std::string_view kTlsDirectory = "/var/run/elastic-inference/tls";
// The keys of a Secret of type kubernetes.io/tls, and the one that cert-manager adds.
constexpr std::string_view kCertificateKey = "tls.crt";
constexpr std::string_view kPrivateKeyKey = "tls.key";
constexpr std::string_view kAuthorityKey = "ca.crt";
constexpr std::string_view kModelDirectory = "/model";
constexpr std::string_view kCacheDirectory = "/cache";

// The shortest life of a token that an API server grants. The kubelet replaces it at 80 % of that.
constexpr int kTokenSeconds = 600;

// Of pods that name no other.
constexpr std::string_view kServiceAccount = "default";

// After SIGTERM a process gets its drain time, and this on top before it is killed.
constexpr seconds kKillMargin{10};

// A dispatcher serves on while kube-proxies learn that it leaves: about a second each, some are slow. By its
// own flag and not by a preStop hook, for it must know: it moves the clients that keep their connections.
constexpr seconds kEndpointDelay{5};

// A gRPC client keeps to one connection, so to one dispatcher, for so long: a new dispatcher has its share of
// the calls soon, and a new connection every half a minute costs a client nothing that it notices.
constexpr seconds kGrpcConnectionAge{30};
// With the tenth that gRPC adds at most, and what the last of them takes to end.
constexpr seconds kGrpcLongestAge{34};

// Downloading weights over a slow line: 45 MB at 100 kB/s is 450 s.
constexpr int kStartupSeconds = 600;

// The end of the log of one that failed is what a condition quotes.
constexpr std::string_view kTerminationMessagePolicy = "FallbackToLogsOnError";

// ResNet18's weights are 45 MB; the limit keeps a mistaken URI from filling the node's disk.
constexpr std::string_view kCacheSizeLimit = "2Gi";
constexpr std::string_view kTemporarySizeLimit = "64Mi";

/// Asks the metrics port, which clients' connections cannot fill.
json::object http_probe(std::string_view path, int period_seconds, int failures) {
  return {{"httpGet", json::object{{"path", path}, {"port", "metrics"}}},
          {"periodSeconds", period_seconds},
          {"timeoutSeconds", 3},
          {"failureThreshold", failures}};
}

json::object port(std::string_view name, int number) {
  return {{"name", name}, {"containerPort", number}, {"protocol", "TCP"}};
}

/// gRPC does not speak TLS: an open port beside an encrypted one would be a way around its certificates.
json::array dispatcher_ports(bool tls) {
  json::array ports{port(tls ? "https" : "http", kDispatcherPort)};
  if (!tls) ports.push_back(port("grpc", kDispatcherGrpcPort));
  ports.push_back(port("link", kDispatcherLinkPort));
  ports.push_back(port("metrics", kDispatcherMetricsPort));
  return ports;
}

json::object mount(std::string_view name, std::string_view path, bool read_only) {
  json::object mounted{{"name", name}, {"mountPath", path}};
  if (read_only) mounted["readOnly"] = true;
  return mounted;
}

json::object empty_dir(std::string_view name, std::string_view size_limit) {
  return {{"name", name}, {"emptyDir", json::object{{"sizeLimit", size_limit}}}};
}

// 0444: the program's user is not known here, and nobody else has a process in the pod.
constexpr int kReadable = 0444;

std::string audience_of(api::Metadata const& owner) {
  return link_audience(owner.namespace_name, owner.name, owner.uid);
}

json::object token_volume(api::Metadata const& owner) {
  json::object token{
      {"audience", audience_of(owner)}, {"expirationSeconds", kTokenSeconds}, {"path", "token"}};
  json::array sources{json::object{{"serviceAccountToken", std::move(token)}}};
  json::object projected{{"defaultMode", kReadable}, {"sources", std::move(sources)}};
  return {{"name", "link-token"}, {"projected", std::move(projected)}};
}

json::object keys_volume(std::string const& service) {
  return {{"name", "link-keys"},
          {"configMap", json::object{{"name", keys_name(service)}, {"defaultMode", kReadable}}}};
}

/// The token that a release before signed tokens left, where there is one: pods of both releases meet while
/// an upgrade rolls them, and each must be able to serve the other.
json::object former_token_volume(std::string const& service) {
  json::object secret{
      {"secretName", former_token_name(service)}, {"defaultMode", kReadable}, {"optional", true}};
  return {{"name", "former-link-token"}, {"secret", std::move(secret)}};
}

std::string tls_file(std::string_view key) {
  return std::string(kTlsDirectory) + "/" + std::string(key);
}

/// Of the service's Secret only what the pod is to know: the private key stays with the dispatchers. A key
/// that the Secret lacks keeps the pod from starting, as a Secret that is not there does.
json::object tls_volume(api::Tls const& tls, std::initializer_list<std::string_view> keys) {
  json::array items;
  for (auto const key : keys) items.push_back(json::object{{"key", key}, {"path", key}});
  json::object secret{
      {"secretName", tls.secret_name}, {"defaultMode", kReadable}, {"items", std::move(items)}};
  return {{"name", "tls"}, {"secret", std::move(secret)}};
}

std::vector<std::string> dispatcher_tls_arguments(api::Tls const& tls) {
  if (!tls.on()) return {};
  std::vector<std::string> arguments{"--tls-cert", tls_file(kCertificateKey), "--tls-key",
                                     tls_file(kPrivateKeyKey)};
  if (tls.client_auth == api::ClientAuth::None) return arguments;
  bool const required = tls.client_auth == api::ClientAuth::Required;
  arguments.insert(arguments.end(), {"--tls-client-ca", tls_file(kAuthorityKey), "--tls-client-auth",
                                     required ? "required" : "optional"});
  return arguments;
}

json::object container_security() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", json::object{{"drop", json::array{"ALL"}}}}};
}

std::int64_t grace_seconds(milliseconds drain, seconds more) {
  return std::chrono::ceil<seconds>(drain).count() + more.count();
}

/// What both programs' pods have in common.
json::object pod_spec(std::string const& service, std::string_view component, api::Pods const& pods,
                      ChildOptions const& options) {
  json::object security{{"runAsNonRoot", true}, {"seccompProfile", json::object{{"type", "RuntimeDefault"}}}};
  json::object spec{{"automountServiceAccountToken", false},
                    {"enableServiceLinks", false},
                    {"securityContext", std::move(security)}};
  place_pods(spec, selector_labels(service, component), pods, options);
  return spec;
}

json::object pod_template(std::string const& service, std::string_view component, api::Pods const& pods,
                          json::object spec) {
  json::object labels;
  json::object annotations;
  for (auto const& [name, value] : pods.labels) labels[name] = value;
  for (auto const& [name, value] : pods.annotations) annotations[name] = value;
  // Ours last: nothing that a spec says takes a pod away from its service.
  for (auto const& [name, value] : child_labels(service, component)) labels[name] = value;
  json::object metadata{{"labels", std::move(labels)}};
  if (!annotations.empty()) metadata["annotations"] = annotations;
  json::object whole{{"metadata", std::move(metadata)}, {"spec", std::move(spec)}};
  // 56 bits in fourteen digits: strings of that length take no memory of their own, and many are kept.
  std::array<char, 15> digest{};
  std::snprintf(digest.data(), digest.size(), "%014llx",
                static_cast<unsigned long long>(owned_digest(json::value(whole)) >> 8));
  annotations[kTemplateAnnotation] = digest.data();
  whole["metadata"].as_object()["annotations"] = std::move(annotations);
  return whole;
}

/// The flags of this backend, then the flags that every backend gives.
json::array with(json::array arguments, std::vector<std::string> const& more) {
  for (auto const& argument : more) arguments.emplace_back(argument);
  return arguments;
}

/// Whose tokens open the link: of every account that the administrator lets workers run as, and not of this
/// spec's alone. While a rollout replaces one account by another, the workers of both serve.
std::vector<std::string> subject_arguments(api::Metadata const& owner, api::Allowed const& allowed) {
  auto const prefix = "system:serviceaccount:" + owner.namespace_name + ":";
  std::vector<std::string> arguments{"--link-subject", prefix + std::string(kServiceAccount)};
  for (auto const& account : allowed.service_accounts)
    arguments.insert(arguments.end(), {"--link-subject", prefix + account});
  return arguments;
}

json::array dispatcher_arguments(api::Metadata const& owner, api::Spec const& spec,
                                 api::Allowed const& allowed) {
  auto const footprint = plan::dispatcher_footprint(spec.dispatcher.queue_capacity, spec.dispatcher.tls.on());
  auto more = plan::dispatcher_arguments(spec);
  for (auto& argument : dispatcher_tls_arguments(spec.dispatcher.tls)) more.push_back(std::move(argument));
  for (auto& argument : subject_arguments(owner, allowed)) more.push_back(std::move(argument));
  return with({"--port",
               std::to_string(kDispatcherPort),
               "--metrics-port",
               std::to_string(kDispatcherMetricsPort),
               "--link-port",
               std::to_string(kDispatcherLinkPort),
               "--grpc-port",
               spec.dispatcher.tls.on() ? "0" : std::to_string(kDispatcherGrpcPort),
               "--grpc-connection-age",
               format_duration(kGrpcConnectionAge),
               "--max-connections",
               std::to_string(footprint.connections),
               "--queue-max-bytes",
               std::to_string(footprint.queue_bytes),
               "--upload-max-bytes",
               std::to_string(footprint.upload_bytes),
               "--shutdown-delay",
               format_duration(kEndpointDelay),
               "--drain-timeout",
               format_duration(spec.dispatcher.request_timeout),
               "--link-keys",
               kKeysFile,
               "--link-audience",
               audience_of(owner),
               "--former-token-file",
               kFormerFile},
              more);
}

/// `pvc://claim/a/b` as the claim and `file:///model/a/b`; anything else is passed on.
struct ModelPlace {
  std::string claim;
  std::string uri;
};

ModelPlace model_place(std::string const& uri) {
  constexpr std::string_view kScheme = "pvc://";
  if (!uri.starts_with(kScheme)) return {{}, uri};
  auto const rest = uri.substr(kScheme.size());
  auto const slash = rest.find('/');
  auto const path = slash == std::string::npos ? std::string() : rest.substr(slash);
  return {rest.substr(0, slash), "file://" + std::string(kModelDirectory) + path};
}

json::array worker_arguments(api::Metadata const& owner, api::Spec const& spec, ModelPlace const& place,
                             api::Allowed const& allowed) {
  auto const link = link_name(owner.name) + "." + owner.namespace_name + ".svc";
  auto model = spec.model;
  model.uri = place.uri;
  // Class names may lie on the same claim as the weights.
  auto const labels = model_place(model.labels);
  if (labels.claim == place.claim) model.labels = labels.uri;
  auto more = plan::worker_arguments(model);
  auto const downloads = plan::download_arguments(model, allowed);
  more.insert(more.end(), downloads.begin(), downloads.end());
  auto const queries = query_arguments(model);
  more.insert(more.end(), queries.begin(), queries.end());
  if (spec.dispatcher.tls.on()) more.insert(more.end(), {"--dispatcher-ca", tls_file(kAuthorityKey)});
  return with({"--metrics-port", std::to_string(kWorkerMetricsPort), "--dispatcher",
               link + ":" + std::to_string(kDispatcherLinkPort), "--name", "$(POD_NAME)", "--cache-dir",
               kCacheDirectory, "--drain-timeout", format_duration(spec.dispatcher.request_timeout),
               "--token-file", kTokenFile, "--former-token-file", kFormerFile},
              more);
}

/// What one dispatcher is sure to get, and the memory that it may take. CPU has no limit, for to throttle a
/// dispatcher is to delay every request.
json::object dispatcher_resources(api::Dispatcher const& dispatcher) {
  auto const needed = plan::dispatcher_footprint(dispatcher.queue_capacity, dispatcher.tls.on()).memory_mib;
  return {
      {"requests", json::object{{"cpu", dispatcher.resources.cpu}, {"memory", dispatcher.resources.memory}}},
      {"limits", json::object{{"memory", memory_limit(dispatcher.resources.memory, needed)}}}};
}

}  // namespace

json::object selector_labels(std::string const& service, std::string_view component) {
  return {{kServiceLabel, service}, {kComponentLabel, component}};
}

json::object child_labels(std::string const& service, std::string_view component) {
  auto labels = selector_labels(service, component);
  labels[kManagedByLabel] = kManagedBy;
  labels["app.kubernetes.io/name"] = "elastic-inference";
  labels["app.kubernetes.io/instance"] = service;
  return labels;
}

std::string template_digest(json::object const& pod_template) {
  auto const& annotations = pod_template.at("metadata").at("annotations").as_object();
  return std::string(annotations.at(kTemplateAnnotation).as_string());
}

json::object dispatcher_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                     ChildOptions const& options) {
  auto const& service = owner.name;
  auto const& tls = spec.dispatcher.tls;
  json::array mounts{mount("link-keys", kKeysDirectory, true),
                     mount("former-link-token", kFormerDirectory, true)};
  json::array volumes{keys_volume(service), former_token_volume(service)};
  if (tls.on()) {
    mounts.push_back(mount("tls", kTlsDirectory, true));
    bool const asks_clients = tls.client_auth != api::ClientAuth::None;
    volumes.push_back(asks_clients ? tls_volume(tls, {kCertificateKey, kPrivateKeyKey, kAuthorityKey})
                                   : tls_volume(tls, {kCertificateKey, kPrivateKeyKey}));
  }
  json::object container{{"name", "dispatcher"},
                         {"image", options.dispatcher_image},
                         {"imagePullPolicy", "IfNotPresent"},
                         {"args", dispatcher_arguments(owner, spec, options.allowed)},
                         {"ports", dispatcher_ports(tls.on())},
                         {"readinessProbe", http_probe("/readyz", 2, 2)},
                         {"livenessProbe", http_probe("/healthz", 10, 3)},
                         {"terminationMessagePolicy", kTerminationMessagePolicy},
                         {"securityContext", container_security()},
                         {"volumeMounts", std::move(mounts)}};
  container["resources"] = dispatcher_resources(spec.dispatcher);
  if (!spec.dispatcher.pods.env.empty()) container["env"] = environment(spec.dispatcher.pods);
  auto pod = pod_spec(service, kDispatcherComponent, spec.dispatcher.pods, options);
  pod["terminationGracePeriodSeconds"] =
      grace_seconds(spec.dispatcher.request_timeout, kKillMargin + kEndpointDelay + kGrpcLongestAge);
  pod["containers"] = json::array{std::move(container)};
  pod["volumes"] = std::move(volumes);
  return pod_template(service, kDispatcherComponent, spec.dispatcher.pods, std::move(pod));
}

json::object worker_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                 ChildOptions const& options) {
  auto const& service = owner.name;
  auto const model = model_place(spec.model.uri);
  json::object resources{{"cpu", spec.worker.resources.cpu}, {"memory", spec.worker.resources.memory}};
  // A field reference is one value to server-side apply: its version is written out, as the server would.
  json::object field{{"apiVersion", "v1"}, {"fieldPath", "metadata.name"}};
  json::object pod_name{{"name", "POD_NAME"}, {"valueFrom", json::object{{"fieldRef", std::move(field)}}}};
  auto env = environment(spec.worker.pods);
  env.push_back(std::move(pod_name));
  json::array mounts{mount("link-token", kTokenDirectory, true),
                     mount("former-link-token", kFormerDirectory, true),
                     mount("cache", kCacheDirectory, false), mount("tmp", "/tmp", false)};
  json::array volumes{token_volume(owner), former_token_volume(service), empty_dir("cache", kCacheSizeLimit),
                      empty_dir("tmp", kTemporarySizeLimit)};
  if (spec.dispatcher.tls.on()) {
    mounts.push_back(mount("tls", kTlsDirectory, true));
    volumes.push_back(tls_volume(spec.dispatcher.tls, {kAuthorityKey}));
  }
  if (auto queries = queries_volume(spec.model)) {
    mounts.push_back(mount("queries", kQueriesDirectory, true));
    volumes.push_back(std::move(*queries));
  }
  if (!model.claim.empty()) {
    mounts.push_back(mount("model", kModelDirectory, true));
    json::object claim{{"claimName", model.claim}, {"readOnly", true}};
    volumes.push_back(json::object{{"name", "model"}, {"persistentVolumeClaim", std::move(claim)}});
  }
  json::object container{
      {"name", "worker"},
      {"image", spec.worker.image.empty() ? options.worker_image : spec.worker.image},
      {"imagePullPolicy", "IfNotPresent"},
      {"args", worker_arguments(owner, spec, model, options.allowed)},
      {"env", std::move(env)},
      {"ports", json::array{port("metrics", kWorkerMetricsPort)}},
      // Requests equal limits: the pod is Guaranteed, and a static CPU manager pins it to a core.
      {"resources", json::object{{"requests", resources}, {"limits", resources}}},
      {"startupProbe", http_probe("/readyz", 1, kStartupSeconds)},
      {"readinessProbe", http_probe("/readyz", 2, 2)},
      {"livenessProbe", http_probe("/healthz", 10, 6)},
      {"terminationMessagePolicy", kTerminationMessagePolicy},
      {"securityContext", container_security()},
      {"volumeMounts", std::move(mounts)}};
  auto pod = pod_spec(service, kWorkerComponent, spec.worker.pods, options);
  pod["terminationGracePeriodSeconds"] = grace_seconds(spec.dispatcher.request_timeout, kKillMargin);
  pod["containers"] = json::array{std::move(container)};
  pod["volumes"] = std::move(volumes);
  return pod_template(service, kWorkerComponent, spec.worker.pods, std::move(pod));
}

}  // namespace ei::kube
