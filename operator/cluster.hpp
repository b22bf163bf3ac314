#pragma once

#include <filesystem>
#include <string>

#include "operator/backend/kube/client/access.hpp"
#include "operator/program.hpp"

namespace ei {

/// How to reach the cluster that a kubeconfig and a context name; where they are empty, the one whose pod
/// this runs in, else that of `KUBECONFIG` or of `~/.kube/config`. Errors: what is wrong with the file.
[[nodiscard]] Result<kube::Access> cluster_access(std::filesystem::path const& kubeconfig,
                                                  std::string const& context, Environment const& environment);

/// The operator of a cluster: services are its InferenceServices. Gives the exit code.
[[nodiscard]] int cluster_main(Flags const& flags, Environment const& environment);

}  // namespace ei
