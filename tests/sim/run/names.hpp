// What the parts of a run call the same things.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>

#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "tests/sim/api/members.hpp"

namespace ei::sim {

inline constexpr char const* kNamespace = "default";
inline constexpr char const* kManager = "elastic-inference-operator";

inline std::string service_name(std::uint64_t number) {
  return "service-" + std::to_string(number);
}

/// Whether a service owns it, or for a pod its ReplicaSet something: those are not made by hand here. An
/// orphan stays ours: the operator made it, as its managed fields tell.
inline bool is_ours(boost::json::object const& object) {
  auto const* owners = member_of(object, "metadata.ownerReferences");
  if (owners != nullptr && owners->is_array() && !owners->get_array().empty()) return true;
  return !kube::extract_owned(object, kManager).is_null();
}

}  // namespace ei::sim
