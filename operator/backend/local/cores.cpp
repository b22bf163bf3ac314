#include "operator/backend/local/cores.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "runtime/process/usage.hpp"

namespace ei::backend::local {

std::vector<int> usable_cores() {
  std::vector<int> cores;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &allowed)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  auto const quota = static_cast<std::size_t>(std::max(1, process::available_cores()));
  if (cores.size() > quota) cores.resize(quota);
  return cores;
}

int most_workers(int cores, std::map<api::ServiceKey, int> const& wanted, api::ServiceKey const& key) {
  int left = cores;
  int own_right = 0;
  int rank = 0;
  for (auto const& [each, workers] : wanted) {
    int const right = rank++ < cores ? 1 : 0;
    if (each == key) {
      own_right = right;
    } else {
      left -= std::max(workers, right);
    }
  }
  return std::max(own_right, left);
}

Result<void> move_to_core(pid_t pid, int core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(core, &only);
  std::error_code wrong;
  std::filesystem::directory_iterator const tasks("/proc/" + std::to_string(pid) + "/task", wrong);
  if (wrong) return make_error(ErrorKind::Io, "process " + std::to_string(pid) + ": " + wrong.message());
  // A thread that starts meanwhile has its maker's core.
  for (auto const& task : tasks) {
    auto const thread = static_cast<pid_t>(std::strtol(task.path().filename().c_str(), nullptr, 10));
    if (sched_setaffinity(thread, sizeof only, &only) == 0 || errno == ESRCH) continue;
    return make_error(ErrorKind::Io, "process " + std::to_string(pid) + ": cannot be moved to core " +
                                         std::to_string(core) + ": " + std::strerror(errno));
  }
  return {};
}

int pick_core(std::vector<int> const& cores, std::vector<int> const& taken) {
  return *std::min_element(cores.begin(), cores.end(), [&](int a, int b) {
    return std::count(taken.begin(), taken.end(), a) < std::count(taken.begin(), taken.end(), b);
  });
}

}  // namespace ei::backend::local
