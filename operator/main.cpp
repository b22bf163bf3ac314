// inference-operator: keeps InferenceServices running, on a cluster or on this machine.
#include <cstdlib>
#include <exception>

#include "operator/cluster.hpp"
#include "operator/commands.hpp"
#include "operator/local.hpp"
#include "runtime/log/log.hpp"

int main(int argc, char** argv) {
  using namespace ei;
  Environment const environment = [](char const* name) -> std::string {
    char const* value = std::getenv(name);
    return value ? value : "";
  };
  if (is_command(argc, argv)) {
    return run_command(argc, argv, [&](auto const& kubeconfig, auto const& context) {
      return cluster_access(kubeconfig, context, environment);
    });
  }
  auto const parsed = parse_flags(argc, argv);
  if (auto const* exit = std::get_if<Exit>(&parsed)) return exit->code;
  auto const& flags = std::get<Flags>(parsed);
  log::set_level(flags.log_level);
  try {
    return flags.local.empty() ? cluster_main(flags, environment) : local_main(flags, environment);
  } catch (std::exception const& fault) {
    return fail(fault.what());
  }
}
