#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei::process {

/// What this process uses, as shares of what it may use.
struct Usage {
  double cpu_percent =
      0;  ///< of the allowed CPUs (cgroup quota, else affinity) since the last reading; 0 at first
  double memory_percent = 0;  ///< resident memory of the cgroup limit, else of the machine's memory
  std::int64_t resident_bytes = 0;
};

/// What a process may use. Reads cgroup v2, then v1, then the machine; `root` is `/` but for tests.
struct Allowance {
  double cpus = 1;                ///< > 0
  std::int64_t memory_bytes = 0;  ///< > 0
};
[[nodiscard]] Allowance read_allowance(std::filesystem::path const& root = "/");

/// Samples this process's usage from /proc/self. Cheap (two small reads): call it once per scrape. Samples
/// less than half a second after a reading of the CPU repeat it.
class UsageMeter {
 public:
  explicit UsageMeter(Allowance allowance = read_allowance(), std::filesystem::path proc_self = "/proc/self");
  [[nodiscard]] Usage sample(SteadyTime now = std::chrono::steady_clock::now());

 private:
  Allowance allowance_;
  std::filesystem::path proc_self_;
  std::optional<SteadyTime> last_time_;
  double last_cpu_seconds_ = 0;
  double cpu_percent_ = 0;
};

/// Where the quota of this process's own cgroup stands: `cpu.max` (v2), else `cpu.cfs_quota_us` (v1, with
/// `cpu.cfs_period_us` beside it). Empty where there is neither.
[[nodiscard]] std::filesystem::path cpu_quota_file(std::filesystem::path const& root = "/");

/// What such a file, or any other of the form of `cpu.max`, allows, in thousandths of a core; nothing: no
/// limit. Errors: read_file's; Protocol (neither form).
[[nodiscard]] Result<std::optional<std::int64_t>> read_cpu_quota_milli(std::filesystem::path const& file);

/// CPUs this process may run on: min(affinity, cgroup quota rounded up), at least 1.
[[nodiscard]] int available_cores();

}  // namespace ei::process
