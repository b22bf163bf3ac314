#pragma once

#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ei::kube {

/// On every Lease of an operator: what it is found by, and the namespaces that its release watches (`a,b`).
inline constexpr std::string_view kOperatorLeaseLabel = "elasticinference.dev/lease";
inline constexpr std::string_view kOperatorLease = "operator";
inline constexpr std::string_view kWatchesAnnotation = "elasticinference.dev/watches";
inline constexpr std::string_view kAllNamespaces = "*";

/// Another release whose operator works in the same cluster.
struct Neighbour {
  ObjectKey lease;
  std::string holder;
  std::string watches;   ///< as in kWatchesAnnotation
  bool earlier = false;  ///< its Lease was made before ours, or ours is not there

  [[nodiscard]] bool watches_all() const { return watches == kAllNamespaces; }
  bool operator==(Neighbour const&) const = default;
};

/// Finds other releases by their Leases. Pure.
class Neighbours {
 public:
  explicit Neighbours(ObjectKey own) : own_(std::move(own)) {}

  /// `list` is a LeaseList. One that is held and was not renewed for its duration, from when this process saw
  /// it first, is what a crash left: no clocks of two machines are compared.
  std::vector<Neighbour> look(boost::json::value const& list, SteadyTime now);
  /// Of our own Lease, as it was seen last; empty where it was not.
  [[nodiscard]] std::string const& own_uid() const { return own_uid_; }

 private:
  struct Seen {
    std::string version;
    SteadyTime since{};
  };

  ObjectKey own_;
  std::string own_uid_;
  std::map<ObjectKey, Seen> seen_;
};

/// Why an operator does not work beside that one.
std::string to_string(Neighbour const& neighbour);

}  // namespace ei::kube
