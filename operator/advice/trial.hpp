#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "operator/advice/hour.hpp"
#include "operator/api/service.hpp"
#include "operator/simulation/cluster.hpp"
#include "runtime/core/result.hpp"

namespace ei::advice {

/// What a model of the service did in the hour.
struct Modelled {
  std::optional<milliseconds> p50;  ///< of what was answered
  std::optional<milliseconds> p99;  ///< likewise
  double late = 0;                  ///< requests answered after the target, refused, or not answered in time
  double core_seconds = 0;
  int changes = 0;           ///< of the count
  std::vector<int> workers;  ///< wanted, after each span

  bool operator==(Modelled const&) const = default;
};

/// The jobs of one trial, 4 bytes each: 0.05 to 0.1 s of one core of a small virtual machine. They are an
/// hour at 55 requests a second; above that a job of the model stands for several requests.
inline constexpr double kMostTrialJobs = 200'000;

/// The last hour once more, on a model of the service, under settings of a spec. The model is the advisors'.
/// Pure, and made of steps, so that whoever runs it can do other things in between.
class Trial {
 public:
  /// `spans` is not empty. The workers of the first span run at the beginning. Errors: Invalid, where the
  /// spec's policy decides elsewhere (`External`, `Webhook`).
  [[nodiscard]] static Result<Trial> begin(std::vector<Span> spans, ServiceTime service,
                                           api::Spec const& spec, double start_seconds);

  /// Lives through one more second, or the part of one that ends a span. False: that was the last one, and
  /// result() may be read.
  bool step();
  [[nodiscard]] Modelled const& result() const { return result_; }

 private:
  struct Jobs {
    std::vector<float> requests;              ///< of each
    std::map<std::int64_t, double> answered;  ///< latency in ms -> requests
  };

  Trial(std::vector<Span> spans, ServiceTime service, api::Spec const& spec, double start_seconds);
  void finish();
  [[nodiscard]] std::optional<milliseconds> percentile(double ratio) const;

  std::vector<Span> spans_;
  std::size_t next_ = 0;
  int piece_ = 0;  // of the next span
  ServiceTime service_;
  double cores_ = 1;
  milliseconds request_timeout_{};
  double each_ = 1;                // requests of a job
  simulation::Rng rng_{0xadface};  // any number: the same hour for whatever is tried
  simulation::Time reached_{};
  // Both are named by what the cluster calls, and a trial may be moved.
  std::unique_ptr<Jobs> jobs_ = std::make_unique<Jobs>();
  std::unique_ptr<simulation::Duration> wall_ =
      std::make_unique<simulation::Duration>();  // minus virtual time
  std::unique_ptr<simulation::Cluster> cluster_;
  Modelled result_;
};

}  // namespace ei::advice
