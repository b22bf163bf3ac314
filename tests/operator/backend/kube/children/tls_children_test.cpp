#include "tests/operator/backend/kube/children/children_view.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace ei::kube;
using ei::api::ClientAuth;

namespace {

ei::api::Spec encrypted(ClientAuth client_auth = ClientAuth::None) {
  ei::api::Spec spec;
  spec.dispatcher.tls = {"resnet18-tls", client_auth};
  return spec;
}

/// The keys of the Secret that a pod gets to see; empty where it does not mount it.
std::set<std::string> keys_of(std::vector<Child> const& children, std::string_view deployment) {
  std::set<std::string> keys;
  auto const pod = pod_spec(children, deployment);
  for (auto const& volume : pod.at("volumes").as_array()) {
    if (volume.at("name") != "tls") continue;
    CHECK(volume.at("secret").at("secretName") == "resnet18-tls");
    CHECK_FALSE(volume.at("secret").as_object().contains("optional"));
    for (auto const& item : volume.at("secret").at("items").as_array())
      keys.insert(std::string(item.at("path").as_string()));
  }
  return keys;
}

bool mounts_tls(json::object const& container) {
  auto const& mounts = container.at("volumeMounts").as_array();
  return std::any_of(mounts.begin(), mounts.end(), [](auto const& mount) {
    return mount.at("name") == "tls" && mount.at("readOnly") == true &&
           !mount.as_object().contains("subPath");
  });
}

std::vector<Child> dispatchers(ei::api::Spec const& spec) {
  return dispatcher_children(owner(), spec, 1, options());
}
std::vector<Child> workers(ei::api::Spec const& spec) {
  return worker_children(owner(), spec, 1, options());
}

}  // namespace

TEST_CASE("without TLS nothing of a Secret is mounted and the Service speaks HTTP") {
  CHECK(keys_of(dispatchers({}), "resnet18-dispatcher").empty());
  CHECK(keys_of(workers({}), "resnet18-worker").empty());
  CHECK(flag(container(dispatchers({}), "resnet18-dispatcher"), "--tls-cert") == "missing");
  CHECK(flag(container(workers({}), "resnet18-worker"), "--dispatcher-ca") == "missing");
  auto const port = at(find(dispatchers({}), kServices, "resnet18"), "spec.ports").as_array().at(0);
  CHECK(port.at("port") == 80);
  CHECK_FALSE(port.as_object().contains("appProtocol"));
}

TEST_CASE("with TLS the private key goes to dispatchers alone, and workers get what they verify by") {
  auto const spec = encrypted();
  CHECK(keys_of(dispatchers(spec), "resnet18-dispatcher") == std::set<std::string>{"tls.crt", "tls.key"});
  CHECK(keys_of(workers(spec), "resnet18-worker") == std::set<std::string>{"ca.crt"});
  auto const dispatcher = container(dispatchers(spec), "resnet18-dispatcher");
  CHECK(flag(dispatcher, "--tls-cert") == "/var/run/elastic-inference/tls/tls.crt");
  CHECK(flag(dispatcher, "--tls-key") == "/var/run/elastic-inference/tls/tls.key");
  CHECK(flag(dispatcher, "--tls-client-ca") == "missing");
  CHECK(mounts_tls(dispatcher));
  auto const worker = container(workers(spec), "resnet18-worker");
  CHECK(flag(worker, "--dispatcher-ca") == "/var/run/elastic-inference/tls/ca.crt");
  CHECK(mounts_tls(worker));
}

TEST_CASE("who asks clients for certificates gets their authority") {
  auto const optional = dispatchers(encrypted(ClientAuth::Optional));
  CHECK(keys_of(optional, "resnet18-dispatcher") == std::set<std::string>{"tls.crt", "tls.key", "ca.crt"});
  auto const dispatcher = container(optional, "resnet18-dispatcher");
  CHECK(flag(dispatcher, "--tls-client-ca") == "/var/run/elastic-inference/tls/ca.crt");
  CHECK(flag(dispatcher, "--tls-client-auth") == "optional");
  auto const required = dispatchers(encrypted(ClientAuth::Required));
  CHECK(flag(container(required, "resnet18-dispatcher"), "--tls-client-auth") == "required");
}

TEST_CASE("an encrypted service is found at 443, and probes and scrapes stay as they were") {
  auto const spec = encrypted();
  auto const port = at(find(dispatchers(spec), kServices, "resnet18"), "spec.ports").as_array().at(0);
  CHECK(port.at("name") == "https");
  CHECK(port.at("port") == 443);
  CHECK(port.at("appProtocol") == "https");
  auto const dispatcher = container(dispatchers(spec), "resnet18-dispatcher");
  auto const plain = container(dispatchers({}), "resnet18-dispatcher");
  CHECK(port.at("targetPort") == dispatcher.at("ports").as_array().at(0).at("name"));
  for (auto const* probe : {"readinessProbe", "livenessProbe"})
    CHECK(dispatcher.at(probe) == plain.at(probe));
  auto const names = [](boost::json::value const& ports) {
    std::vector<std::string> out;
    for (auto const& each : ports.as_array()) out.emplace_back(each.at("name").as_string());
    return out;
  };
  CHECK(names(plain.at("ports")) == std::vector<std::string>{"http", "grpc", "link", "metrics"});
  // gRPC does not speak TLS, and an open port would be a way around it.
  CHECK(names(dispatcher.at("ports")) == std::vector<std::string>{"https", "link", "metrics"});
  CHECK(at(find(dispatchers(spec), kServices, "resnet18"), "spec.ports").as_array().size() == 1);
  CHECK(dispatcher.at("ports").as_array().back() == plain.at("ports").as_array().back());
  CHECK(at(find(dispatchers(spec), kServices, "resnet18-link"), "spec.ports") ==
        at(find(dispatchers({}), kServices, "resnet18-link"), "spec.ports"));
  CHECK(dispatcher.at("resources").at("limits").at("memory") !=
        plain.at("resources").at("limits").at("memory"));
}
