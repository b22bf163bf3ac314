#include "inference/service/standby.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/usage.hpp"

namespace ei::inference {
namespace {

/// A resize is there within 0.4 s on a node, so this adds little to it. A look takes 10 µs: 0.02 % of a core.
constexpr milliseconds kQuotaPoll{50};

}  // namespace

Result<bool> is_standby(StandbyOptions const& options) {
  if (options.below_milli == 0) return false;
  auto const file = options.quota_file.empty() ? process::cpu_quota_file() : options.quota_file;
  if (file.empty())
    return make_error(ErrorKind::NotFound,
                      "no CPU quota under /sys/fs/cgroup: neither cpu.max nor "
                      "cpu/cpu.cfs_quota_us");
  auto const quota = process::read_cpu_quota_milli(file);
  if (!quota) return quota.error();
  return *quota && **quota < options.below_milli;
}

asio::awaitable<void> follow_standby(StandbyOptions options, bool standby,
                                     std::function<void(bool)> changed) {
  bool failed = false;
  for (;;) {
    co_await sleep_for(kQuotaPoll);
    auto const now = is_standby(options);
    if (!now && !failed) log::warn("cpu_quota_unreadable", {{"error", now.error().message}});
    failed = !now;
    if (!now || *now == standby) continue;
    standby = *now;
    log::info(standby ? "standby" : "promoted");
    changed(standby);
  }
}

}  // namespace ei::inference
