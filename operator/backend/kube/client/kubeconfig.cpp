#include "operator/backend/kube/client/kubeconfig.hpp"

#include "operator/backend/kube/client/kubeconfig_check.hpp"
#include "runtime/core/encoding.hpp"

#include <yaml-cpp/yaml.h>

#include <utility>

namespace ei::kube {
namespace {

namespace fs = std::filesystem;

/// The scalar called `name`, or empty. yaml-cpp throws on a missing or structured one.
std::string text_at(YAML::Node const& node, char const* name) {
  if (!node.IsMap()) return {};
  auto const value = node[name];
  return value && value.IsScalar() ? value.Scalar() : std::string();
}

bool is_set(YAML::Node const& node, char const* name) {
  return node.IsMap() && node[name] && !node[name].IsNull() &&
         !(node[name].IsScalar() && node[name].Scalar().empty());
}

bool flag_at(YAML::Node const& node, char const* name) {
  return text_at(node, name) == "true";
}

fs::path file_at(YAML::Node const& node, char const* name, fs::path const& directory) {
  auto const text = text_at(node, name);
  return text.empty() ? fs::path() : directory / text;  // an absolute path replaces the directory
}

/// `NAME-data` (base64) wins over `NAME` (a file), as in kubectl.
Result<PemSource> pem_at(YAML::Node const& node, std::string const& name, fs::path const& directory) {
  auto const data = text_at(node, (name + "-data").c_str());
  if (data.empty()) return PemSource{{}, file_at(node, name.c_str(), directory)};
  auto decoded = base64_decode(data);
  if (!decoded) return make_error(ErrorKind::Invalid, name + "-data is not base64");
  return PemSource{std::move(*decoded), {}};
}

Result<Kubeconfig::Cluster> read_cluster(YAML::Node const& node, fs::path const& directory) {
  Kubeconfig::Cluster cluster;
  cluster.server = text_at(node, "server");
  cluster.tls_server_name = text_at(node, "tls-server-name");
  cluster.insecure_skip_tls_verify = flag_at(node, "insecure-skip-tls-verify");
  auto ca = pem_at(node, "certificate-authority", directory);
  if (!ca) return ca.error();
  cluster.ca = std::move(*ca);
  if (is_set(node, "proxy-url")) {
    cluster.unsupported = "proxy-url is not supported: name a server that can be reached directly";
  } else if (cluster.insecure_skip_tls_verify && !cluster.ca.empty()) {
    cluster.unsupported =
        "insecure-skip-tls-verify and a certificate-authority contradict each other: remove one";
  } else if (cluster.server.empty()) {
    cluster.unsupported = "it has no server";
  }
  return cluster;
}

Result<ExecPlugin> read_exec(YAML::Node const& node, fs::path const& directory) {
  ExecPlugin plugin;
  plugin.api_version = text_at(node, "apiVersion");
  plugin.command = text_at(node, "command");
  plugin.provide_cluster_info = flag_at(node, "provideClusterInfo");
  plugin.install_hint = text_at(node, "installHint");
  if (plugin.command.empty()) return make_error(ErrorKind::Invalid, "exec: command is missing");
  if (!plugin.api_version.starts_with("client.authentication.k8s.io/v1")) {
    return make_error(ErrorKind::Invalid, "exec: apiVersion \"" + plugin.api_version +
                                              "\" is not supported: use client.authentication.k8s.io/v1");
  }
  if (text_at(node, "interactiveMode") == "Always") {
    return make_error(ErrorKind::Invalid,
                      "exec: interactiveMode Always needs a terminal, which an operator has not");
  }
  // A bare name is looked up in $PATH; a relative path starts at the file, as in kubectl.
  if (plugin.command.find('/') != std::string::npos) plugin.command = directory / plugin.command;
  for (auto const& argument : node["args"]) plugin.arguments.push_back(argument.Scalar());
  for (auto const& variable : node["env"]) {
    plugin.environment.emplace_back(text_at(variable, "name"), text_at(variable, "value"));
  }
  return plugin;
}

Result<Kubeconfig::User> read_user(YAML::Node const& node, fs::path const& directory) {
  Kubeconfig::User user;
  auto certificate = pem_at(node, "client-certificate", directory);
  if (!certificate) return certificate.error();
  auto key = pem_at(node, "client-key", directory);
  if (!key) return key.error();
  user.client_certificate = std::move(*certificate);
  user.client_key = std::move(*key);
  if (is_set(node, "tokenFile")) {
    user.token = TokenFile{file_at(node, "tokenFile", directory)};
  } else if (is_set(node, "token")) {
    user.token = StaticToken{text_at(node, "token")};
  } else if (is_set(node, "exec")) {
    auto plugin = read_exec(node["exec"], directory);
    if (!plugin) return plugin.error();
    user.token = std::move(*plugin);
  }
  if (is_set(node, "username") || is_set(node, "password")) {
    user.unsupported = "basic auth is not supported: use a token or a client certificate";
  } else if (is_set(node, "auth-provider")) {
    user.unsupported = "auth-provider is not supported (Kubernetes 1.26 removed it): use an exec plugin";
  } else if (is_set(node, "as") || is_set(node, "as-uid") || is_set(node, "as-groups")) {
    user.unsupported = "impersonation (as) is not supported";
  } else if (user.client_certificate.empty() != user.client_key.empty()) {
    user.unsupported = "client-certificate and client-key must be given together";
  }
  return user;
}

Result<Kubeconfig::Context> read_context(YAML::Node const& node, fs::path const&) {
  return Kubeconfig::Context{text_at(node, "cluster"), text_at(node, "user"), text_at(node, "namespace")};
}

/// Reads `PLURAL: [{name: N, SINGULAR: {…}}, …]`; of two entries of one name the first counts.
template <class Entry, class Read>
Result<void> read_entries(YAML::Node const& root, char const* plural, char const* singular,
                          fs::path const& directory, Read read,
                          std::map<std::string, Entry, std::less<>>& entries) {
  auto const list = root[plural];
  if (!list || list.IsNull()) return {};
  if (!list.IsSequence()) return make_error(ErrorKind::Invalid, std::string(plural) + " is not a list");
  for (auto const& item : list) {
    auto const name = text_at(item, "name");
    auto const body =
        item.IsMap() && item[singular] ? YAML::Node(item[singular]) : YAML::Node(YAML::NodeType::Map);
    Result<Entry> entry = read(body, directory);
    if (!entry) return with_context(entry.error(), std::string(singular) + " \"" + name + "\"");
    entries.emplace(name, std::move(*entry));
  }
  return {};
}

Result<Kubeconfig> read_root(YAML::Node const& root, fs::path const& directory) {
  Kubeconfig config;
  if (root.IsNull()) return config;
  if (!root.IsMap()) return make_error(ErrorKind::Invalid, "not a kubeconfig: the top level is not a map");
  config.current_context = text_at(root, "current-context");
  auto read = read_entries(root, "clusters", "cluster", directory, read_cluster, config.clusters);
  if (read) read = read_entries(root, "users", "user", directory, read_user, config.users);
  if (read) read = read_entries(root, "contexts", "context", directory, read_context, config.contexts);
  if (!read) return read.error();
  return config;
}

/// `FILE: cluster "NAME": `, for a fault of that entry.
template <class Entry>
Error fault_of(std::string_view what, std::string const& name, Entry const& entry, std::string const& fault) {
  auto const place = entry.file.empty() ? std::string() : entry.file.string() + ": ";
  return make_error(ErrorKind::Invalid, place + std::string(what) + " \"" + name + "\": " + fault);
}

Error no_such(std::string_view what, std::string const& name) {
  return make_error(ErrorKind::NotFound, "no " + std::string(what) + " \"" + name + "\"");
}

}  // namespace

Result<Kubeconfig> parse_kubeconfig(std::string_view text, fs::path const& directory) {
  try {
    return read_root(YAML::Load(std::string(text)), directory);
  } catch (YAML::Exception const& problem) {
    return make_error(ErrorKind::Invalid, problem.what());
  }
}

void merge_kubeconfig(Kubeconfig& into, Kubeconfig const& next) {
  if (into.current_context.empty()) into.current_context = next.current_context;
  into.clusters.insert(next.clusters.begin(), next.clusters.end());
  into.users.insert(next.users.begin(), next.users.end());
  into.contexts.insert(next.contexts.begin(), next.contexts.end());
}

Result<Access> resolve_access(Kubeconfig const& config, std::optional<std::string> const& context) {
  auto const& name = context ? *context : config.current_context;
  if (name.empty()) {
    return make_error(ErrorKind::Invalid, "no current-context: set one (kubectl config use-context NAME)");
  }
  auto const found = config.contexts.find(name);
  if (found == config.contexts.end()) return no_such("context", name);
  auto const cluster = config.clusters.find(found->second.cluster);
  if (cluster == config.clusters.end()) return no_such("cluster", found->second.cluster);
  if (!cluster->second.unsupported.empty()) {
    return fault_of("cluster", cluster->first, cluster->second, cluster->second.unsupported);
  }
  if (auto const fault = cluster_fault(cluster->second); !fault.empty())
    return fault_of("cluster", cluster->first, cluster->second, fault);
  Access access;
  access.server = cluster->second.server;
  access.ca = cluster->second.ca;
  access.tls_server_name = cluster->second.tls_server_name;
  access.insecure_skip_tls_verify = cluster->second.insecure_skip_tls_verify;
  if (!found->second.namespace_name.empty()) access.namespace_name = found->second.namespace_name;
  if (found->second.user.empty()) return access;
  auto const user = config.users.find(found->second.user);
  if (user == config.users.end()) return no_such("user", found->second.user);
  if (!user->second.unsupported.empty()) {
    return fault_of("user", user->first, user->second, user->second.unsupported);
  }
  if (auto const fault = user_fault(user->second); !fault.empty())
    return fault_of("user", user->first, user->second, fault);
  access.client_certificate = user->second.client_certificate;
  access.client_key = user->second.client_key;
  access.token = user->second.token;
  return access;
}

}  // namespace ei::kube
