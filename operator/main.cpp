// inference-operator: keeps InferenceServices running, on a cluster or on this machine.
#include <cstdlib>
#include <exception>

#include "operator/cluster.hpp"
#include "operator/local.hpp"
#include "runtime/log/log.hpp"

int main(int argc, char** argv) {
  using namespace ei;
  auto const parsed = parse_flags(argc, argv);
  if (auto const* exit = std::get_if<Exit>(&parsed)) return exit->code;
  auto const& flags = std::get<Flags>(parsed);
  log::set_level(flags.log_level);
  Environment const environment = [](char const* name) -> std::string {
    char const* value = std::getenv(name);
    return value ? value : "";
  };
  try {
    return flags.local.empty() ? cluster_main(flags, environment) : local_main(flags, environment);
  } catch (std::exception const& fault) {
    return fail(fault.what());
  }
}
