#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/histogram.hpp"

namespace ei::bench {

/// One request, told after its end. Times count from the start of the run.
struct Finished {
  std::size_t number = 0;
  std::size_t picture = 0;  ///< which of the run's pictures was sent
  std::chrono::nanoseconds intended{0};
  std::optional<std::chrono::nanoseconds> sent;  ///< none when no connection was free before the deadline
  std::chrono::nanoseconds ended{0};
  int status = 0;             ///< HTTP status; 0 when there was no answer
  std::string fault;          ///< "" for a 2xx answer, else "http_429", "timeout", "unavailable", …
  std::string label;          ///< of the answer's best class; "" where none was told
  std::optional<bool> right;  ///< whether that is the picture's label; none where either is unknown

  [[nodiscard]] bool ok() const { return fault.empty(); }
  /// From the intended time, not from when a connection was free: a stalled server is
  /// charged for all who waited.
  [[nodiscard]] std::chrono::nanoseconds latency() const { return ended - intended; }
};

/// The fault of a request that had no answer within its time.
inline constexpr char const* kTimedOut = "timeout";

/// One second of the run. All but `completed` speak of the requests that were meant
/// to be sent in this second.
struct Second {
  std::uint64_t offered = 0;
  std::uint64_t completed = 0;  ///< answers of any status that arrived in this second
  std::uint64_t ok = 0;
  std::uint64_t errors = 0;
  Histogram latency;
};

/// Adds up a run. 2xx answers have a latency, and so have timeouts, which took at least so long:
/// without them a server would look better the more it fails. Other failures are only counted.
class Report {
 public:
  void add(Finished const& finished);

  [[nodiscard]] std::uint64_t requests() const { return ok_ + errors_; }
  [[nodiscard]] std::uint64_t ok() const { return ok_; }
  [[nodiscard]] std::uint64_t errors() const { return errors_; }
  [[nodiscard]] Histogram const& latency() const { return latency_; }
  [[nodiscard]] std::map<std::string, std::uint64_t> const& faults() const { return faults_; }
  /// Right answers of those whose label is known; none when no label is known.
  [[nodiscard]] std::optional<double> accuracy() const;

  /// requests, ok, errors, faults{}, p50_ms … max_ms, mean_ms, offered_rps,
  /// completed_rps, accuracy, labelled, …
  [[nodiscard]] boost::json::object summary() const;
  /// `second,offered,completed,ok,errors,p50_ms,p99_ms,max_ms`; the last three are empty
  /// in a second without latency.
  [[nodiscard]] std::string seconds_csv() const;

 private:
  Second& second(std::chrono::nanoseconds at);

  std::vector<Second> seconds_;
  Histogram latency_;
  Histogram send_delay_;  ///< intended to sent: the generator's own lateness, and waits for a connection
  std::map<std::string, std::uint64_t> faults_;
  std::uint64_t ok_ = 0;
  std::uint64_t errors_ = 0;
  std::uint64_t labelled_ = 0;
  std::uint64_t right_ = 0;
  std::uint64_t answered_ = 0;
  std::chrono::nanoseconds last_intended_{0};
  std::chrono::nanoseconds last_ended_{0};
};

/// `request,file,intended_s,sent_s,ended_s,latency_ms,status,fault,label,right`: the head, and one line.
[[nodiscard]] std::string requests_csv_head();
[[nodiscard]] std::string requests_csv_line(Finished const& finished, std::string const& file);

}  // namespace ei::bench
