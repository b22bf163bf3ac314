#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bench/sim/simulation.hpp"
#include "operator/simulation/hpa.hpp"
#include "runtime/core/result.hpp"

namespace ei::bench {

struct HpaFilterSettings {
  HpaSettings hpa;
  CpuPathSettings metrics;
  Duration phase{};          ///< syncs fall on phase + n·hpa.sync
  Duration metrics_phase{};  ///< and metrics-server's scrapes on metrics_phase + n·metrics.resolution
};

/// What one sync came to.
struct HpaAnswer {
  double time_s = 0;            ///< of the line that the sync fell on
  std::optional<int> proposal;  ///< what the pods' CPU asks for; none when there is no usable metric
  int desired = 0;              ///< after stabilisation, limits and bounds
  bool operator==(HpaAnswer const&) const = default;
};

// clang-format off: it would fill the table's rows as a paragraph
/// The simulator's HPA over a recorded or running cluster: one JSON object for each second,
/// `{"time_s": 12, "current": 1, "pods": [POD, …]}`, its times not falling. A POD:
///
/// | field                                    | what                                                   |
/// |------------------------------------------|--------------------------------------------------------|
/// | name                                     | its name                                               |
/// | ready, deleting, pending                 | false when absent                                      |
/// | started_s, transition_s                  | start, and last change of Ready; absent: not known yet |
/// | cpu_millicores, metrics_time_s, window_s | as the metrics API says; all absent: it has none       |
/// | cpu_seconds_total                        | in their place: the CPU counter, from which CpuMetrics |
/// |                                          | makes what the metrics API would say; needs started_s  |
// clang-format on
class HpaFilter {
 public:
  explicit HpaFilter(HpaFilterSettings settings);

  /// The answer when a sync falls on this line. Errors: Invalid, naming the field.
  Result<std::optional<HpaAnswer>> feed(std::string_view line);

 private:
  struct Pod {
    HpaPod pod;
    std::optional<SimWorker> counted;  ///< where its line has a CPU counter
  };

  void measure(std::vector<Pod>& pods, Time now);
  bool due(std::optional<Time>& next, Duration phase, Duration period, Time now) const;

  HpaFilterSettings settings_;
  HpaController controller_;
  CpuMetrics metrics_;
  std::map<std::string, int, std::less<>> numbers_;  ///< of pods by name, for the metrics path
  std::optional<Time> last_;
  std::optional<Time> next_sync_;
  std::optional<Time> next_scrape_;
};

}  // namespace ei::bench
