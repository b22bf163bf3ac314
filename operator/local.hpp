#pragma once

#include "operator/program.hpp"

namespace ei {

/// The operator of this machine: services from manifests, run as processes. Gives the exit code.
[[nodiscard]] int local_main(Flags const& flags, Environment const& environment);

}  // namespace ei
