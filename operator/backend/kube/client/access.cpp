#include "operator/backend/kube/client/access.hpp"

#include "operator/backend/kube/client/kubeconfig.hpp"
#include "runtime/process/files.hpp"

namespace ei::kube {
namespace {

namespace fs = std::filesystem;

// A kubeconfig with a hundred clusters and inline certificates is about 1 MiB.
constexpr std::size_t kMaxKubeconfigBytes = 8U * 1024U * 1024U;

}  // namespace

Result<Access> in_cluster_access(std::string_view host, std::string_view port, fs::path const& directory) {
  if (host.empty() || port.empty()) {
    return make_error(ErrorKind::Invalid,
                      "not in a cluster (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig or --local");
  }
  if (!fs::exists(directory / "token")) {
    return make_error(ErrorKind::Invalid, "no service account token at " + (directory / "token").string() +
                                              ": set automountServiceAccountToken: true");
  }
  bool const ipv6 = host.find(':') != std::string_view::npos;
  Access access;
  access.server =
      "https://" + (ipv6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::string(port);
  access.ca.path = directory / "ca.crt";
  access.token = TokenFile{directory / "token"};
  // A projected token volume may leave the namespace out; the operator's flags name one then.
  auto name = process::read_file(directory / "namespace", 1024);
  if (name && !name->empty()) access.namespace_name = *name;
  return access;
}

Result<Access> kubeconfig_access(std::vector<fs::path> const& files,
                                 std::optional<std::string> const& context) {
  Kubeconfig merged;
  bool any = false;
  for (auto const& file : files) {
    auto text = process::read_file(file, kMaxKubeconfigBytes);
    if (!text && text.error().kind == ErrorKind::NotFound) continue;
    if (!text) return text.error();
    auto config = parse_kubeconfig(*text, file.parent_path());
    if (!config) return with_context(config.error(), file.string());
    for (auto& [name, cluster] : config->clusters) cluster.file = file;
    for (auto& [name, user] : config->users) user.file = file;
    merge_kubeconfig(merged, *config);
    any = true;
  }
  if (!any) {
    return make_error(ErrorKind::NotFound, files.empty() ? "no kubeconfig named"
                                                         : "no such kubeconfig: " + files.front().string());
  }
  auto access = resolve_access(merged, context);
  if (!access) return with_context(access.error(), "kubeconfig");
  return access;
}

std::vector<fs::path> split_kubeconfig_list(std::string_view list) {
  std::vector<fs::path> paths;
  while (!list.empty()) {
    auto const colon = list.find(':');
    auto const path = list.substr(0, colon);
    if (!path.empty()) paths.emplace_back(path);
    if (colon == std::string_view::npos) break;
    list.remove_prefix(colon + 1);
  }
  return paths;
}

}  // namespace ei::kube
