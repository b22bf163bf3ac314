#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "operator/backend/kube/client/access.hpp"

namespace ei {

/// How to reach the cluster of a kubeconfig and a context; an empty one stands for none.
using FindAccess =
    std::function<Result<kube::Access>(std::filesystem::path const& kubeconfig, std::string const& context)>;

/// Whether the program is called for people and not as the operator: as `kubectl-eis`, which is what
/// `kubectl eis` runs, or with `explain`, `top` or `replay` as its first word.
[[nodiscard]] bool is_command(int argc, char** argv);

/// Runs that command; its exit code.
[[nodiscard]] int run_command(int argc, char** argv, FindAccess const& find_access);

}  // namespace ei
