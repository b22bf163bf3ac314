#pragma once

#include "operator/program.hpp"

namespace ei {

/// The operator of a cluster: services are its InferenceServices. Gives the exit code.
[[nodiscard]] int cluster_main(Flags const& flags, Environment const& environment);

}  // namespace ei
