#include "tests/operator/backend/kube/children/children_view.hpp"

#include <set>

using namespace ei::kube;

TEST_CASE("every child names its owner, its labels and its namespace") {
  auto children = dispatcher_children(owner(), {}, 1, options());
  for (auto& child : worker_children(owner(), {}, 1, options())) children.push_back(std::move(child));
  children.push_back(service_monitor(owner()));
  children.push_back(link_keys(owner(), "{}"));
  std::set<std::string> names;
  for (auto const& child : children) {
    auto const& metadata = child.object.at("metadata").as_object();
    INFO(child.type.kind << " " << child.name());
    CHECK(child.object.at("apiVersion") == json::value(api_version(child.type)));
    CHECK(metadata.at("namespace") == "vision");
    auto const& reference = metadata.at("ownerReferences").as_array().at(0);
    CHECK(reference.at("uid") == "uid-1");
    CHECK(reference.at("controller") == true);
    CHECK(reference.at("apiVersion") == "elasticinference.dev/v1alpha1");
    CHECK(metadata.at("labels").at(kServiceLabel) == "resnet18");
    CHECK(metadata.at("labels").at(kManagedByLabel) == json::value(kManagedBy));
    CHECK(names.insert(std::string(child.type.kind) + "/" + child.name()).second);
  }
  CHECK(names ==
        std::set<std::string>{"Service/resnet18", "Service/resnet18-link", "ConfigMap/resnet18-link-keys",
                              "Deployment/resnet18-dispatcher", "Deployment/resnet18-worker",
                              "PodDisruptionBudget/resnet18-dispatcher",
                              "PodDisruptionBudget/resnet18-worker", "NetworkPolicy/resnet18-dispatcher",
                              "NetworkPolicy/resnet18-worker", "ServiceMonitor/resnet18"});
}

TEST_CASE("series of a ServiceMonitor carry the InferenceService's name") {
  auto const endpoints = at(service_monitor(owner()).object, "spec.endpoints");
  auto const& relabeling = endpoints.as_array().at(0).at("relabelings").as_array().at(0).as_object();
  CHECK(relabeling.at("targetLabel") == "service");
  CHECK(relabeling.at("sourceLabels").as_array().at(0) ==
        "__meta_kubernetes_service_label_elasticinference_dev_service");
}

TEST_CASE("a Deployment selects its own pods, whose labels say more") {
  auto const deployment = find(worker_children(owner(), {}, 3, options()), kDeployments, "resnet18-worker");
  CHECK(at(deployment, "spec.replicas") == 3);
  auto const selector = at(deployment, "spec.selector.matchLabels").as_object();
  auto const labels = at(deployment, "spec.template.metadata.labels").as_object();
  CHECK(selector.size() == 2);
  for (auto const& [name, value] : selector) CHECK(labels.at(name) == value);
  CHECK(labels.at(kManagedByLabel) == json::value(kManagedBy));
  CHECK(worker_selector("resnet18") ==
        "app.kubernetes.io/component=worker,elasticinference.dev/service=resnet18");
}

TEST_CASE("a dispatcher is told its part of the spec") {
  ei::api::Spec spec;
  spec.dispatcher.queue_capacity = 77;
  spec.scaling.latency_target = std::chrono::milliseconds(250);
  auto const dispatcher = container(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher");
  CHECK(flag(dispatcher, "--port") == "8001");
  CHECK(flag(dispatcher, "--queue-capacity") == "77");
  CHECK(flag(dispatcher, "--max-connections-per-address") == "missing");
  spec.dispatcher.max_connections_per_address = 0;
  auto const uncapped = container(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher");
  CHECK(flag(uncapped, "--max-connections-per-address") == "0");
  CHECK(flag(dispatcher, "--latency-target") == "250ms");
}

TEST_CASE(
    "a dispatcher's memory follows from its queue's capacity, and its probes have a port of their own") {
  ei::api::Spec spec;
  spec.dispatcher.queue_capacity = 100'000;
  auto const large = container(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher");
  CHECK(flag(large, "--max-connections") == "126024");
  CHECK(flag(large, "--upload-max-bytes") == std::to_string(256 << 20));
  CHECK(large.at("resources").at("limits").at("memory") == "4992Mi");
  auto const usual = container(dispatcher_children(owner(), {}, 1, options()), "resnet18-dispatcher");
  CHECK(usual.at("resources").at("limits").at("memory") == "1088Mi");
  auto const worker = container(worker_children(owner(), {}, 1, options()), "resnet18-worker");
  for (auto const& probed : {usual, worker}) {
    for (std::string const probe : {"readinessProbe", "livenessProbe"})
      CHECK(probed.at(probe).at("httpGet").at("port") == "metrics");
  }
  CHECK(flag(worker, "--port") == "missing");
}

TEST_CASE("a worker is one core, guaranteed, and restricted") {
  auto const children = worker_children(owner(), {}, 1, options());
  auto const worker = container(children, "resnet18-worker");
  CHECK(worker.at("resources").at("requests") == worker.at("resources").at("limits"));
  CHECK(worker.at("resources").at("limits").at("cpu") == "1");
  CHECK(worker.at("resources").at("limits").at("memory") == "1Gi");
  auto const& security = worker.at("securityContext");
  CHECK(security.at("allowPrivilegeEscalation") == false);
  CHECK(security.at("readOnlyRootFilesystem") == true);
  CHECK(security.at("capabilities").at("drop") == json::array{"ALL"});
  auto const pod = pod_spec(children, "resnet18-worker");
  CHECK(pod.at("securityContext").at("runAsNonRoot") == true);
  CHECK(pod.at("securityContext").at("seccompProfile").at("type") == "RuntimeDefault");
  CHECK(pod.at("automountServiceAccountToken") == false);
  CHECK(flag(worker, "--dispatcher") == "resnet18-link.vision.svc:8002");
  CHECK(flag(worker, "--name") == "$(POD_NAME)");
  CHECK(flag(worker, "--sha256") == "missing");
}

TEST_CASE("a worker that downloads is told where it may do so, and no other worker is") {
  auto allowed = options();
  allowed.allowed.hosts = {"a.example", "*.cdn.example"};
  allowed.allowed.addresses.private_ones = true;
  auto const arguments = [&](ei::api::Spec const& spec) {
    return json::serialize(
        container(worker_children(owner(), spec, 1, allowed), "resnet18-worker").at("args"));
  };
  ei::api::Spec spec;
  CHECK(arguments(spec).find("--allow-") == std::string::npos);
  spec.model.labels = "https://a.example/labels";
  CHECK(arguments(spec).find(
            R"("--allow-address","private","--allow-host","a.example","--allow-host","*.cdn.example")") !=
        std::string::npos);
  allowed.allowed = {};
  CHECK(arguments(spec).find("--allow-") == std::string::npos);
}

TEST_CASE("a pod outlives its drain time") {
  ei::api::Spec spec;
  spec.dispatcher.request_timeout = std::chrono::milliseconds(90'500);
  auto const workers = worker_children(owner(), spec, 1, options());
  CHECK(pod_spec(workers, "resnet18-worker").at("terminationGracePeriodSeconds") == 101);
  CHECK(flag(container(workers, "resnet18-worker"), "--drain-timeout") == "1m30s500ms");
  auto const dispatchers = dispatcher_children(owner(), spec, 1, options());
  CHECK(pod_spec(dispatchers, "resnet18-dispatcher").at("terminationGracePeriodSeconds") == 140);
  CHECK(flag(container(dispatchers, "resnet18-dispatcher"), "--shutdown-delay") == "5s");
}

TEST_CASE("an update never takes a pod before its successor is ready") {
  auto const deployment = find(worker_children(owner(), {}, 1, options()), kDeployments, "resnet18-worker");
  CHECK(at(deployment, "spec.strategy.rollingUpdate.maxUnavailable") == 0);
}

TEST_CASE("a model on a claim is mounted read-only, and read as a file") {
  ei::api::Spec spec;
  spec.model.uri = "pvc://models/dir/resnet18.safetensors";
  spec.model.sha256 = std::string(64, 'a');
  auto const children = worker_children(owner(), spec, 1, options());
  auto const worker = container(children, "resnet18-worker");
  CHECK(flag(worker, "--model-uri") == "file:///model/dir/resnet18.safetensors");
  CHECK(flag(worker, "--sha256") == std::string(64, 'a'));
  bool mounted = false;
  auto const pod = pod_spec(children, "resnet18-worker");
  for (auto const& volume : pod.at("volumes").as_array()) {
    if (volume.at("name") != "model") continue;
    mounted = true;
    CHECK(volume.at("persistentVolumeClaim").at("claimName") == "models");
    CHECK(volume.at("persistentVolumeClaim").at("readOnly") == true);
  }
  CHECK(mounted);
}

TEST_CASE("what a spec says about pods is in both templates") {
  ei::api::Pods pods;
  pods.labels = {{"team", "vision"}};
  pods.annotations = {{"example.com/note", "a note"}};
  pods.env = {{"TZ", "Europe/Berlin"}};
  pods.service_account = "runner";
  pods.priority_class = "low";
  pods.image_pull_secrets = {"registry", "operators"};
  pods.node_selector = {{"disk", "fast"}};
  pods.tolerations = json::array{{{"key", "k"}, {"operator", "Exists"}}};
  pods.affinity = {{"nodeAffinity", json::object{}}};
  pods.topology_spread = json::array{json::object{{"maxSkew", 2}, {"topologyKey", "zone"}}};
  ei::api::Spec spec;
  spec.worker.image = "mine";
  spec.worker.pods = pods;
  spec.dispatcher.pods = pods;
  auto flags = options();
  flags.image_pull_secrets = {"operators"};
  flags.priority_class = "operators";
  auto const [name, children] = GENERATE_COPY(table<std::string, std::vector<Child>>(
      {{"resnet18-worker", worker_children(owner(), spec, 1, flags)},
       {"resnet18-dispatcher", dispatcher_children(owner(), spec, 1, flags)}}));
  INFO(name);
  auto const metadata = at(find(children, kDeployments, name), "spec.template.metadata");
  CHECK(metadata.at("labels").at("team") == "vision");
  CHECK(metadata.at("labels").at("elasticinference.dev/service") == "resnet18");
  CHECK(metadata.at("annotations").at("example.com/note") == "a note");
  CHECK(metadata.at("annotations").as_object().contains("elasticinference.dev/template"));
  auto const pod = pod_spec(children, name);
  CHECK(pod.at("serviceAccountName") == "runner");
  CHECK(pod.at("automountServiceAccountToken") == false);
  CHECK(pod.at("priorityClassName") == "low");
  CHECK(pod.at("imagePullSecrets") ==
        json::array{json::object{{"name", "operators"}}, json::object{{"name", "registry"}}});
  CHECK(pod.at("nodeSelector").at("disk") == "fast");
  CHECK(pod.at("tolerations") == pods.tolerations);
  CHECK(pod.at("affinity") == pods.affinity);
  auto const& spread = pod.at("topologySpreadConstraints").at(0);
  CHECK(spread.at("topologyKey") == "zone");
  // Without a selector no pod would be counted.
  CHECK(spread.at("labelSelector").at("matchLabels").at("elasticinference.dev/service") == "resnet18");
  CHECK(container(children, name).at("env").at(0) ==
        json::object{{"name", "TZ"}, {"value", "Europe/Berlin"}});
}

TEST_CASE("an empty list of constraints leaves spreading to the cluster") {
  ei::api::Spec spec;
  spec.worker.pods.topology_spread = json::array{};
  auto const worker = pod_spec(worker_children(owner(), spec, 1, options()), "resnet18-worker");
  CHECK_FALSE(worker.contains("topologySpreadConstraints"));
  auto const dispatcher = pod_spec(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher");
  CHECK(dispatcher.at("topologySpreadConstraints").as_array().size() == 1);
}

TEST_CASE("a dispatcher is sure of what its spec says, and may take what its queue can need") {
  ei::api::Spec spec;
  auto const [reserved, limit] =
      GENERATE(table<std::string, std::string>({{"64Mi", "1088Mi"}, {"8Gi", "8Gi"}}));
  spec.dispatcher.resources = {"2", reserved};
  auto const dispatcher = container(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher");
  CHECK(dispatcher.at("resources") ==
        json::object{{"requests", json::object{{"cpu", "2"}, {"memory", reserved}}},
                     {"limits", json::object{{"memory", limit}}}});
}

TEST_CASE("dispatchers let in workers of every account that is allowed") {
  auto flags = options();
  flags.allowed.service_accounts = {"runner", "team-*"};
  auto const dispatcher = container(dispatcher_children(owner(), {}, 1, flags), "resnet18-dispatcher");
  std::vector<std::string> subjects;
  auto const& args = dispatcher.at("args").as_array();
  for (std::size_t i = 0; i + 1 < args.size(); ++i) {
    if (args[i] == "--link-subject") subjects.emplace_back(args[i + 1].as_string());
  }
  CHECK(subjects == std::vector<std::string>{"system:serviceaccount:vision:default",
                                             "system:serviceaccount:vision:runner",
                                             "system:serviceaccount:vision:team-*"});
}

TEST_CASE("without wishes there are no empty fields that others may own") {
  auto const pod = pod_spec(worker_children(owner(), {}, 1, options()), "resnet18-worker");
  for (auto const* name : {"nodeSelector", "tolerations", "affinity", "imagePullSecrets", "priorityClassName",
                           "serviceAccountName"}) {
    CHECK_FALSE(pod.contains(name));
  }
}

TEST_CASE("clients and workers have their own Services") {
  auto const children = dispatcher_children(owner(), {}, 2, options());
  auto const front = find(children, kServices, "resnet18");
  CHECK(at(front, "spec.ports").as_array().at(0).at("port") == 80);
  auto const grpc = at(front, "spec.ports").as_array().at(1);
  CHECK(grpc.at("port") == 8003);
  CHECK(grpc.at("name") == "grpc");
  CHECK(grpc.at("appProtocol") == "kubernetes.io/h2c");
  CHECK(at(front, "spec.selector").as_object().at(kComponentLabel) == "dispatcher");
  auto const link = find(children, kServices, "resnet18-link");
  CHECK(at(link, "spec.clusterIP") == "None");
  CHECK(at(link, "spec.publishNotReadyAddresses") == true);
  CHECK(at(link, "spec.ports").as_array().at(0).at("port") == 8002);
}

TEST_CASE("the link is open to the service's own workers alone") {
  auto const policy =
      find(dispatcher_children(owner(), {}, 1, options()), kNetworkPolicies, "resnet18-dispatcher");
  auto const rules = at(policy, "spec.ingress");
  for (auto const& rule : rules.as_array()) {
    for (auto const& port : rule.at("ports").as_array()) {
      bool const link = port.at("port") == 8002;
      CHECK(rule.as_object().contains("from") == link);
      if (link) {
        auto const& labels = rule.at("from").as_array().at(0).at("podSelector").at("matchLabels");
        CHECK(labels.at(kComponentLabel) == "worker");
        CHECK(labels.at(kServiceLabel) == "resnet18");
      }
    }
  }
  auto without = options();
  without.network_policy = false;
  for (auto const& child : dispatcher_children(owner(), {}, 1, without))
    CHECK_FALSE(child.type == kNetworkPolicies);
}

namespace {

json::object volume(json::object const& pod, std::string_view name) {
  for (auto const& each : pod.at("volumes").as_array()) {
    if (each.at("name") == json::value(name)) return each.as_object();
  }
  FAIL("no volume " << name);
  return {};
}

/// Where a container finds a volume.
std::string place(json::object const& container, std::string_view name) {
  for (auto const& each : container.at("volumeMounts").as_array()) {
    if (each.at("name") != json::value(name)) continue;
    CHECK(each.at("readOnly") == true);
    CHECK_FALSE(each.as_object().contains("subPath"));  // it would never be updated
    return std::string(each.at("mountPath").as_string());
  }
  return "missing";
}

}  // namespace

TEST_CASE("a worker shows a short-lived token that is for its own service's dispatchers alone") {
  auto const workers = worker_children(owner(), {}, 1, options());
  auto const pod = pod_spec(workers, "resnet18-worker");
  auto const worker = container(workers, "resnet18-worker");
  CHECK(flag(worker, "--token-file") == place(worker, "link-token") + "/token");
  auto const tokens = volume(pod, "link-token");
  auto const& sources = tokens.at("projected").at("sources").as_array();
  REQUIRE(sources.size() == 1);
  auto const& token = sources[0].at("serviceAccountToken");
  CHECK(token.at("path") == "token");
  CHECK(token.at("expirationSeconds") == 600);
  CHECK(token.at("audience") == "elasticinference.dev/link/vision/resnet18/uid-1");

  auto const dispatchers = dispatcher_children(owner(), {}, 1, options());
  auto const dispatcher = container(dispatchers, "resnet18-dispatcher");
  CHECK(flag(dispatcher, "--link-audience") == "elasticinference.dev/link/vision/resnet18/uid-1");
  CHECK(flag(dispatcher, "--link-subject") == "system:serviceaccount:vision:default");
  CHECK(flag(dispatcher, "--link-keys") == place(dispatcher, "link-keys") + "/keys.json");
  CHECK(volume(pod_spec(dispatchers, "resnet18-dispatcher"), "link-keys").at("configMap").at("name") ==
        "resnet18-link-keys");
  CHECK(link_keys(owner(), "text").object.at("data").at("keys.json") == "text");
}

TEST_CASE("a service of the same name has another audience") {
  auto again = owner();
  again.uid = "uid-2";
  auto const worker = pod_spec(worker_children(again, {}, 1, options()), "resnet18-worker");
  auto const tokens = volume(worker, "link-token");
  auto const& token = tokens.at("projected").at("sources").as_array().at(0);
  CHECK(token.at("serviceAccountToken").at("audience") == "elasticinference.dev/link/vision/resnet18/uid-2");
}

TEST_CASE(
    "pods of a release with a shared token and of this one serve each other while an upgrade rolls them") {
  auto const dispatchers = dispatcher_children(owner(), {}, 1, options());
  auto const workers = worker_children(owner(), {}, 1, options());
  for (auto const& [children, name] :
       {std::pair(dispatchers, "resnet18-dispatcher"), {workers, "resnet18-worker"}}) {
    auto const program = container(children, name);
    CHECK(flag(program, "--former-token-file") == place(program, "former-link-token") + "/token");
    auto const secret = volume(pod_spec(children, name), "former-link-token").at("secret");
    CHECK(secret.at("secretName") == "resnet18-link-token");
    CHECK(secret.at("optional") == true);  // a new service has none, and its pods must start
  }
}

TEST_CASE("neither program has a token of the API server") {
  CHECK(pod_spec(dispatcher_children(owner(), {}, 1, options()), "resnet18-dispatcher")
            .at("automountServiceAccountToken") == false);
  CHECK(pod_spec(worker_children(owner(), {}, 1, options()), "resnet18-worker")
            .at("automountServiceAccountToken") == false);
}

TEST_CASE(
    "where egress is limited, dispatchers reach collectors alone, and workers their dispatchers, DNS and "
    "model hosts") {
  auto limited = options();
  limited.egress_policy = true;
  limited.model_networks = {"203.0.113.0/24", "2001:db8::/32"};
  auto const both = json::array{"Ingress", "Egress"};
  auto const dispatcher =
      find(dispatcher_children(owner(), {}, 1, limited), kNetworkPolicies, "resnet18-dispatcher");
  CHECK(at(dispatcher, "spec.policyTypes") == both);
  CHECK(at(dispatcher, "spec.egress") == "missing");
  auto const worker = find(worker_children(owner(), {}, 1, limited), kNetworkPolicies, "resnet18-worker");
  CHECK(at(worker, "spec.policyTypes") == both);
  auto const egress = at(worker, "spec.egress").as_array();
  REQUIRE(egress.size() == 3);
  CHECK(egress[0].at("ports").at(0).at("port") == 8002);
  CHECK(egress[0].at("to").at(0).at("podSelector").at("matchLabels").at(kComponentLabel) == "dispatcher");
  CHECK(egress[0].at("to").at(0).at("podSelector").at("matchLabels").at(kServiceLabel) == "resnet18");
  CHECK(egress[1].at("ports").as_array().size() == 2);
  CHECK_FALSE(egress[1].as_object().contains("to"));
  CHECK(egress[2].at("to").at(0).at("ipBlock").at("cidr") == "203.0.113.0/24");
  CHECK(egress[2].at("to").at(1).at("ipBlock").at("cidr") == "2001:db8::/32");

  limited.collectors = {"monitoring", "203.0.113.7/32"};
  auto const traced =
      find(dispatcher_children(owner(), {}, 1, limited), kNetworkPolicies, "resnet18-dispatcher");
  CHECK(at(traced, "spec.egress").as_array().size() == 2);
  CHECK(at(traced, "spec.egress").at(0) == egress[1]);
  CHECK(json::serialize(at(traced, "spec.egress").at(1)) ==
        R"({"to":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}},)"
        R"({"ipBlock":{"cidr":"203.0.113.7/32"}}]})");

  limited.model_networks.clear();
  auto const closed = find(worker_children(owner(), {}, 1, limited), kNetworkPolicies, "resnet18-worker");
  CHECK(at(closed, "spec.egress").as_array().size() == 2);
  auto const open = find(worker_children(owner(), {}, 1, options()), kNetworkPolicies, "resnet18-worker");
  CHECK(at(open, "spec.policyTypes") == json::array{"Ingress"});
  CHECK(at(open, "spec.egress") == "missing");
}
