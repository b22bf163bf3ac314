#pragma once

#include "operator/api/service.hpp"
#include "operator/reconcile/step.hpp"
#include "runtime/core/units.hpp"
#include "tests/sim/run/knowledge.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace ei::sim {

/// Whether what is written as a count of workers may be: it was decided by the process that writes it, falls
/// on data or because the owner said so, and stays while the service is paused. Data, the counts that ran and
/// the specs are the world's own record, not the operator's.
class Counts {
 public:
  explicit Counts(Knowledge const& knowledge) : knowledge_(knowledge) {}

  /// A process has asked a dispatcher of `service` for its metrics, and got them or not.
  void on_scrape(std::string const& process, api::ServiceKey const& service, bool heard, SteadyTime now);
  /// A process has decided; `version` is the storage's.
  void on_decided(std::string const& process, reconcile::Decided const& decided, std::uint64_t version,
                  SteadyTime now);
  /// `process` writes this count of workers where there are `live`. What is wrong with that, or nothing.
  std::string on_write(std::string const& process, api::ServiceKey const& service, std::int64_t live,
                       std::int64_t count, SteadyTime now);
  /// The version of Deployments from which on what `process` says of the service may be true: what it had
  /// seen when it made the oldest decision that can be on its way still.
  std::uint64_t deployments_seen(std::string const& process, api::ServiceKey const& service,
                                 SteadyTime now) const;

 private:
  struct Scraped {
    bool heard = false;  ///< the last time it asked
    SteadyTime at{};     ///< when it last heard them
  };
  struct Decision {
    SteadyTime at{};
    WallTime wall{};  ///< as the process has it
    std::int64_t to = 0;
    bool on_data = false;
    std::optional<std::int64_t> asked;  ///< what this process last wrote
    std::uint64_t version = 0;          ///< of the storage
    std::uint64_t deployments = 0;      ///< known up to here
    std::uint64_t services = 0;
  };
  using Place = std::pair<std::string, api::ServiceKey>;
  enum class Finding { Right, Fell, Paused };
  Finding judge(api::ServiceKey const& service, Decision const& decision) const;

  Knowledge const& knowledge_;
  std::map<Place, Scraped> scraped_;
  std::map<Place, std::deque<Decision>> decisions_;
  std::map<Place, std::int64_t> asked_;
};

}  // namespace ei::sim
