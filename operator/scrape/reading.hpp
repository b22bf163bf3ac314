#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/scaling/snapshot.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei::scrape {

/// Cumulative counts of answers by their upper bound in seconds (+Inf included), as
/// Prometheus histograms have them.
using Buckets = std::map<double, double>;

/// What one dispatcher's /metrics says about its load.
struct Reading {
  double arrivals = 0;
  double completions = 0;
  double service_seconds = 0;
  double service_seconds_squared = 0;
  double queue = 0;
  double in_flight = 0;
  double oldest_age_seconds = 0;
  double quarantined = 0;  ///< pictures so far; 0 from a dispatcher that does not count them
  /// Workers by the kind of their model's output; empty from a dispatcher that does not tell.
  std::map<std::string, double> outputs = {};
  std::map<std::string, double> precisions = {};  ///< the same by what they compute in
  std::map<std::string, double> versions = {};    ///< the same by the digest of their weights
  std::optional<double> agreement = {};           ///< the least of its workers', where one has tried int8
  Buckets answers;     ///< of the endpoints that classify pictures; health checks and pages are not load
  double refused = 0;  ///< requests so far that found the queue full

  bool operator==(Reading const&) const = default;
};

/// Reads a dispatcher's exposition. Pure. Errors: Invalid (no Prometheus text), Protocol, naming a metric
/// that is missing, negative or no finite number.
[[nodiscard]] Result<Reading> read_exposition(std::string_view text);

/// The sum over dispatchers (of ages the maximum). `incarnations` name the summed
/// processes and make the epoch.
[[nodiscard]] scaling::Sample sum(std::vector<Reading> const& readings,
                                  std::vector<std::string> const& incarnations, SteadyTime at);
[[nodiscard]] Buckets sum_answers(std::vector<Reading> const& readings);
/// The kind of output, or the precision, that most workers have, the first in the alphabet among equals;
/// empty where none tells.
[[nodiscard]] std::string usual_output(std::vector<Reading> const& readings);
[[nodiscard]] std::string usual_precision(std::vector<Reading> const& readings);
/// The same of the weights' digest.
[[nodiscard]] std::string usual_version(std::vector<Reading> const& readings);
/// `3 workers answer with the weights 0123456789ab and 2 with fedcba987654`, those of the most workers first;
/// empty while all have the same.
[[nodiscard]] std::string mixed_versions(std::vector<Reading> const& readings);
[[nodiscard]] std::optional<double> least_agreement(std::vector<Reading> const& readings);

/// Answers that took longer than `target_seconds`, interpolated within the target's bucket. Like the buckets
/// it never falls. 0 when nothing was answered.
[[nodiscard]] double late_answers(Buckets const& answers, double target_seconds);

/// Pictures put in quarantine so far, by the incarnation of the dispatcher that counts them.
using Quarantined = std::map<std::string, double>;

/// One dispatcher to ask.
struct Target {
  std::string name;         ///< for people
  std::string incarnation;  ///< changes whenever its counters start from zero
  std::string metrics_url;  ///< empty: it has no address yet
  /// Why no worker is there, in a word, where requests wait for one: it tells its clients.
  std::string no_worker = {};
};

/// One dispatcher whose next request is awaited.
struct Awaited {
  std::string metrics_url;
  std::uint64_t arrivals = 0;  ///< so many have come, as far as the asker knows

  bool operator==(Awaited const&) const = default;
};

struct Scrape {
  std::optional<scaling::Sample> sample;  ///< of all of them, or nothing
  Buckets answers;
  std::vector<double> arrivals = {};     ///< of each, in the order of the targets
  Quarantined quarantined;               ///< of those that answered
  std::string output;                    ///< usual_output() of them
  std::string precision;                 ///< usual_precision() of them
  std::string version = {};              ///< usual_version() of them
  std::string mixed_versions = {};       ///< of them
  std::optional<double> agreement = {};  ///< least_agreement() of them
  double refused = 0;                    ///< Reading::refused, summed
  std::string fault;                     ///< why there is no sample; empty when there is one
};

/// Which pictures in quarantine are news, reported once a minute at most: a client that sends one picture
/// which ends workers sends many. Pure.
class QuarantineNews {
 public:
  static constexpr milliseconds kPeriod{60'000};

  /// What an operator finds at its first look was told by the one before it.
  void add(Quarantined const& totals);
  /// Pictures that are to be told now; 0: none, or not yet.
  [[nodiscard]] std::uint64_t due(SteadyTime now) const;
  void told(SteadyTime now);

 private:
  std::optional<Quarantined> seen_;
  double untold_ = 0;
  std::optional<SteadyTime> told_;
};

/// Quantiles of recent answers from cumulative buckets. Pure; times must not run backwards.
class LatencyWindow {
 public:
  /// Long enough for a hundred answers at 10/s, short enough to show a burst while it lasts.
  static constexpr milliseconds kLength{10'000};

  /// A changed `epoch` (dispatchers came or went) starts the window anew.
  void add(SteadyTime at, Buckets const& buckets, std::uint64_t epoch);
  /// The latency that this share of the answers kept, (0, 1]: interpolated within its bucket as Prometheus'
  /// histogram_quantile does; empty when nothing was answered within the window. Answers beyond the last
  /// finite bound read as that bound.
  [[nodiscard]] std::optional<milliseconds> quantile(double share) const;

 private:
  struct Point {
    SteadyTime at;
    std::vector<Buckets::value_type> buckets;  ///< flat: a dozen of these are kept for every service
  };
  std::vector<Point> points_;
  std::uint64_t epoch_ = 0;
};

}  // namespace ei::scrape
