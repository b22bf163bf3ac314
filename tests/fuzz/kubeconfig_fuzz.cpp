// Kubeconfig files, and what a credential plugin prints.
#include "operator/backend/kube/client/exec_credential.hpp"
#include "operator/backend/kube/client/kubeconfig.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace ei;
  auto const input = fuzz::view(data, size);
  constexpr auto kVersion = "client.authentication.k8s.io/v1";
  static_cast<void>(kube::parse_exec_credential(input, kVersion));
  auto const config = kube::parse_kubeconfig(input, "/home/user/.kube");
  if (!config) return 0;
  auto merged = *config;
  kube::merge_kubeconfig(merged, *config);
  fuzz::require(merged.contexts.size() == config->contexts.size(), "a file adds nothing to itself");
  static_cast<void>(kube::resolve_access(*config, std::nullopt));
  for (auto const& [name, context] : config->contexts) {
    auto const access = kube::resolve_access(*config, name);
    if (!access) continue;
    fuzz::require(!access->server.empty(), "an access names its server");
    fuzz::require(!access->namespace_name.empty(), "an access has a namespace");
  }
  return 0;
}
