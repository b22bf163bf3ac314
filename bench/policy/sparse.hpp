#pragma once

#include <string>
#include <vector>

#include "bench/policy/contest.hpp"
#include "operator/simulation/outcome.hpp"

namespace ei::bench {

/// What one way to scale made of one load with minutes between its requests.
struct SparseCell {
  std::string load;
  std::string scaler;
  double core_seconds = 0;
  double cold_starts = 0;  ///< requests that found no worker; the runs' mean
  double requests = 0;
  double p50_s = 0;
  double p99_s = 0;
};

/// Loads whose requests come minutes apart, of 30 ms each with a start of 3 s: ours to zero and with one
/// worker always there, beside Knative (its stable window of 60 s and grace of 30 s) and KEDA's HTTP add-on
/// (its cooldown of 300 s). The same rules give the same cells.
std::vector<SparseCell> play_sparse(Rules const& rules);

/// As text, with the goals.
std::string sparse_table(std::vector<SparseCell> const& cells);

}  // namespace ei::bench
