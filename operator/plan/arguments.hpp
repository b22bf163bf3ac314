#pragma once

#include <string>
#include <vector>

#include "operator/api/allowed.hpp"
#include "operator/api/service.hpp"

namespace ei::plan {

/// The command-line flags of a dispatcher that its spec decides, each followed by its value. Every backend
/// adds where the process listens and what it may read.
[[nodiscard]] std::vector<std::string> dispatcher_arguments(api::Spec const& spec);

/// The same of a worker. A backend that finds files in other places gives the model as its workers see it.
[[nodiscard]] std::vector<std::string> worker_arguments(api::Model const& model);

/// What a worker that downloads anything is told of where it may do so; nothing for others.
[[nodiscard]] std::vector<std::string> download_arguments(api::Model const& model,
                                                          api::Allowed const& allowed);

}  // namespace ei::plan
