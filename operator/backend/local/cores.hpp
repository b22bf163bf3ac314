#pragma once

#include <sys/types.h>

#include <map>
#include <vector>

#include "operator/api/service.hpp"
#include "runtime/core/result.hpp"

namespace ei::backend::local {

/// Numbers of the cores this process may run on, cut to the cgroup's quota (rounded up); at least one.
[[nodiscard]] std::vector<int> usable_cores();

/// The most workers `key` can have of `cores`, when the services want as many as `wanted` says. The first
/// services by name, as many as there are cores, are sure of one worker each, so that none starves behind a
/// busy one; the rest goes to the services that ask first. Pure. `key` must be in `wanted`.
[[nodiscard]] int most_workers(int cores, std::map<api::ServiceKey, int> const& wanted,
                               api::ServiceKey const& key);

/// The core that the fewest of the running workers have; of equals the first. `taken`
/// holds a core for each of them.
[[nodiscard]] int pick_core(std::vector<int> const& cores, std::vector<int> const& taken);

/// Moves every thread of a running process to that core. Errors: Io.
[[nodiscard]] Result<void> move_to_core(pid_t pid, int core);

}  // namespace ei::backend::local
