#include "runtime/process/usage.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/encoding.hpp"
#include "runtime/process/files.hpp"

namespace ei::process {
namespace fs = std::filesystem;
namespace {

// A file of /proc or /sys; empty when it is not there. 64 KiB is far over any of those read here.
std::string slurp(fs::path const& path) {
  auto text = read_file(path, 64 * 1024);
  return text ? std::move(*text) : std::string{};
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    auto const end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::optional<std::int64_t> number(std::string_view word) {
  std::int64_t value = 0;
  auto const read = std::from_chars(word.data(), word.data() + word.size(), value);
  if (read.ec != std::errc()) return {};
  return value;
}

std::optional<std::int64_t> first_number(fs::path const& path) {
  std::string const text = slurp(path);
  auto const words = split(text, " \n");
  return words.empty() ? std::nullopt : number(words.front());
}

constexpr char const* kQuotaV2 = "cpu.max";  // "max 100000" or "150000 100000"
constexpr char const* kQuotaV1 = "cpu.cfs_quota_us";

// A thousand cores for a thousand periods of a second; far from what overflows below.
constexpr std::int64_t kMostQuota = 1'000'000'000'000;

struct Limits {
  double cpus = std::numeric_limits<double>::infinity();
  std::int64_t memory_bytes = std::numeric_limits<std::int64_t>::max();
};

/// Time of a CPU in each period; both in microseconds.
struct Quota {
  std::int64_t quota = 0;
  std::int64_t period = 1;
};

/// Of a file `cpu.max` (v2), or any other of its form, or `cpu.cfs_quota_us` (v1, with the period in a file
/// beside it); none: no limit.
Result<std::optional<Quota>> read_quota(fs::path const& file) {
  auto text = read_file(file, 4096);
  if (!text) return text.error();
  auto words = split(*text, " \n");
  std::string period;
  if (words.size() == 1 && file.filename() == kQuotaV1) {
    auto other = read_file(file.parent_path() / "cpu.cfs_period_us", 4096);
    if (!other) return other.error();
    period = std::move(*other);
    for (auto const word : split(period, " \n")) words.push_back(word);
  }
  if (words.size() == 2) {
    auto const quota = number(words[0]);
    auto const length = number(words[1]);
    bool const unlimited = words[0] == "max" || (quota && *quota < 0);
    if (length && *length > 0 && unlimited) return std::optional<Quota>();
    if (length && *length > 0 && quota && *quota <= kMostQuota) return std::optional(Quota{*quota, *length});
  }
  return make_error(ErrorKind::Protocol,
                    file.string() + " is '" + std::string(clipped(*text, 80)) +
                        "'; allowed: QUOTA PERIOD or max PERIOD, as in cgroup's cpu.max");
}

void apply_cpu(Limits& limits, fs::path const& file) {
  auto const found = read_quota(file);
  if (!found || !*found || (*found)->quota <= 0) return;
  limits.cpus =
      std::min(limits.cpus, static_cast<double>((*found)->quota) / static_cast<double>((*found)->period));
}

void apply_memory(Limits& limits, std::optional<std::int64_t> bytes) {
  if (bytes && *bytes > 0) limits.memory_bytes = std::min(limits.memory_bytes, *bytes);
}

void read_v2(fs::path const& folder, Limits& limits) {
  apply_cpu(limits, folder / kQuotaV2);
  apply_memory(limits, first_number(folder / "memory.max"));
}

void read_v1(fs::path const& folder, Limits& limits) {
  apply_cpu(limits, folder / kQuotaV1);
  apply_memory(limits, first_number(folder / "memory.limit_in_bytes"));
}

// Every folder from `mount`/`group` up to `mount`: a parent's limit binds its children too. In a container
// the group's path may be the host's and missing here; the mount itself is then the container's group.
template <class Read>
void walk(fs::path const& mount, std::string_view group, Limits& limits, Read read) {
  fs::path at = fs::path(group).relative_path();
  for (;;) {
    read(mount / at, limits);
    if (at.empty()) return;
    at = at.parent_path();
  }
}

Limits read_cgroups(fs::path const& root) {
  Limits limits;
  fs::path const mount = root / "sys/fs/cgroup";
  std::string const groups = slurp(root / "proc/self/cgroup");
  for (std::string_view const line : split(groups, "\n")) {
    // "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1)
    auto const first = line.find(':');
    auto const second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    auto const controllers = line.substr(first + 1, second - first - 1);
    auto const group = line.substr(second + 1);
    if (controllers.empty()) {
      walk(mount, group, limits, read_v2);
    } else {
      for (std::string_view const controller : split(controllers, ",")) {
        if (controller == "cpu" || controller == "memory") walk(mount / controller, group, limits, read_v1);
      }
    }
  }
  return limits;
}

std::int64_t machine_memory(fs::path const& root) {
  std::string const info = slurp(root / "proc/meminfo");
  auto const words = split(info, " \n");
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] != "MemTotal:") continue;
    if (auto const kib = number(words[i + 1])) return *kib * 1024;
  }
  return std::int64_t{1} << 30;  // no /proc/meminfo: some number, so that shares stay finite
}

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

/// The kernel counts in ticks of 10 ms: over half a second a reading is right to 2 %, over one tick it may
/// read double. Two scrapers at once both get the last reading.
constexpr std::chrono::milliseconds kLeastInterval{500};

// proc(5): after the command's closing parenthesis come state and, 11 words later, utime and stime in ticks.
double cpu_seconds(std::string_view stat) {
  auto const paren = stat.rfind(')');
  if (paren == std::string_view::npos) return 0;
  auto const words = split(stat.substr(paren + 1), " \n");
  if (words.size() < 13) return 0;
  auto const ticks = number(words[11]).value_or(0) + number(words[12]).value_or(0);
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Allowance read_allowance(fs::path const& root) {
  Limits const limits = read_cgroups(root);
  Allowance allowance;
  allowance.cpus = std::min(limits.cpus, static_cast<double>(affinity_cores()));
  allowance.memory_bytes = std::min(limits.memory_bytes, machine_memory(root));
  return allowance;
}

fs::path cpu_quota_file(fs::path const& root) {
  fs::path const mount = root / "sys/fs/cgroup";
  std::error_code ignored;
  for (fs::path const& file : {mount / kQuotaV2, mount / "cpu" / kQuotaV1}) {
    if (fs::exists(file, ignored)) return file;
  }
  return {};
}

Result<std::optional<std::int64_t>> read_cpu_quota_milli(fs::path const& file) {
  auto const found = read_quota(file);
  if (!found) return found.error();
  if (!*found) return std::optional<std::int64_t>();
  return std::optional((*found)->quota * 1000 / (*found)->period);
}

UsageMeter::UsageMeter(Allowance allowance, fs::path proc_self)
    : allowance_(allowance), proc_self_(std::move(proc_self)) {}

Usage UsageMeter::sample(SteadyTime now) {
  Usage usage;
  if (!last_time_ || now - *last_time_ >= kLeastInterval) {
    double const cpu = cpu_seconds(slurp(proc_self_ / "stat"));
    if (last_time_) {
      double const seconds = std::chrono::duration<double>(now - *last_time_).count();
      cpu_percent_ = std::max(0.0, 100 * (cpu - last_cpu_seconds_) / (seconds * allowance_.cpus));
    }
    last_time_ = now;
    last_cpu_seconds_ = cpu;
  }
  usage.cpu_percent = cpu_percent_;

  std::string const statm = slurp(proc_self_ / "statm");  // size, resident, … in pages
  auto const words = split(statm, " \n");
  if (words.size() >= 2) usage.resident_bytes = number(words[1]).value_or(0) * sysconf(_SC_PAGESIZE);
  usage.memory_percent =
      100 * static_cast<double>(usage.resident_bytes) / static_cast<double>(allowance_.memory_bytes);
  return usage;
}

int available_cores() {
  double const cpus = std::ceil(read_allowance().cpus);
  return std::max(1, static_cast<int>(cpus));
}

}  // namespace ei::process
