#pragma once

#include <map>
#include <optional>
#include <vector>

#include "operator/simulation/cluster.hpp"

namespace ei::simulation {

/// What the metrics API says of one pod.
struct PodCpu {
  int millicores = 0;
  Time timestamp{};   ///< of the newer of the two points
  Duration window{};  ///< between them
  bool operator==(PodCpu const&) const = default;
};

struct CpuPathSettings {
  Duration housekeeping{std::chrono::seconds(10)};     ///< cAdvisor's, each container at its own phase
  Duration resolution{std::chrono::seconds(15)};       ///< metrics-server's (minikube's add-on: 60 s)
  Duration fresh_container{std::chrono::seconds(10)};  ///< a container younger than this has no rate yet
};

/// The path of CPU use from the kernel to the HPA: cAdvisor samples each container every 10 s,
/// metrics-server scrapes the last sample every 15 s and answers with the rate between its last
/// two different ones. A container's first sample counts against its start when it is at least
/// 10 s and less than one resolution old.
class CpuMetrics {
 public:
  explicit CpuMetrics(CpuPathSettings settings = {}) : settings_(settings) {}

  /// cAdvisor: call once a second.
  void housekeep(std::vector<SimWorker> const& workers, Time now);
  /// metrics-server: call at its resolution.
  void scrape(std::vector<SimWorker> const& workers);
  std::optional<PodCpu> get(int worker) const;

 private:
  struct Point {
    Time at{};
    double cpu_seconds = 0;
  };
  struct Pod {
    std::optional<Point> sampled;
    std::optional<Point> last;
    std::optional<Point> previous;
  };

  CpuPathSettings settings_;
  std::map<int, Pod> pods_;
};

}  // namespace ei::simulation
