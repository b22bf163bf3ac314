#pragma once

#include "operator/backend/kube/protocol/backoff.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace ei::kube {

/// What a coordination.k8s.io/v1 Lease says.
struct LeaseRecord {
  std::string holder;  ///< empty: released
  std::chrono::seconds duration{};
  std::optional<WallTime> acquired;
  std::optional<WallTime> renewed;
  std::int64_t transitions = 0;
  std::string resource_version;  ///< of the object read; a write with it meets nobody else's change
  boost::json::object others;    ///< labels and annotations, by these names: a write leaves them as they are

  bool operator==(LeaseRecord const&) const = default;
};

LeaseRecord read_lease(boost::json::value const& object);
/// The object to create (without a resource version) or to replace.
boost::json::object write_lease(LeaseRecord const& record, std::string const& namespace_name,
                                std::string const& name);

/// Leader election by a Lease, without the I/O. The rule that makes it safe: a leader counts its
/// time from before it sent the last renewal that succeeded, and stops writing `renew_deadline`
/// later; others count from when they saw that renewal, and wait `duration`, which is longer. No
/// clocks of two machines are compared.
class Elector {
 public:
  struct Options {
    std::string identity;
    /// What this release watches, as kWatchesAnnotation has it; empty: not told.
    std::string watches;
    // Kubernetes' own components use the same three.
    std::chrono::seconds duration{15};
    std::chrono::seconds renew_deadline{10};
    std::chrono::seconds retry_period{2};
    std::uint64_t seed = 1;
  };

  struct Read {
    bool operator==(Read const&) const = default;
  };
  struct Write {
    LeaseRecord record;  ///< create it when `record.resource_version` is empty
    bool operator==(Write const&) const = default;
  };
  struct Step {
    milliseconds delay{};
    std::variant<Read, Write> action;
  };

  struct Started {};
  struct Found {
    LeaseRecord record;
  };
  struct Missing {};
  struct Written {
    std::string resource_version;
  };
  struct Failed {
    Error error;
  };
  using Input = std::variant<Started, Found, Missing, Written, Failed>;

  explicit Elector(Options options);

  Step step(Input const& input, SteadyTime now, WallTime wall);

  /// To be asked right before an action is carried out, for what is sent now counts from now.
  void sending(SteadyTime now) { sent_at_ = now; }

  /// True while no other process can hold the lease: what every write must ask right before it is sent.
  bool may_write(SteadyTime now) const;
  /// When may_write turns false without another renewal.
  SteadyTime write_deadline() const { return renewed_at_ + options_.renew_deadline; }
  std::string const& holder() const { return record_.holder; }

  /// The write that lets another take over at once; none when we do not hold the lease.
  std::optional<Write> release(SteadyTime now, WallTime wall);

 private:
  Step on_found(LeaseRecord const& record, SteadyTime now, WallTime wall);
  Step on_failed(Error const& error, SteadyTime now);
  Step claim(SteadyTime now, WallTime wall);
  milliseconds retry();

  Options options_;
  Jitter jitter_;
  bool leader_ = false;
  LeaseRecord record_;        ///< as last seen or written
  SteadyTime observed_at_{};  ///< when record_ was first seen as it is
  std::optional<LeaseRecord> writing_;
  SteadyTime sent_at_{};
  SteadyTime renewed_at_{};
};

}  // namespace ei::kube
