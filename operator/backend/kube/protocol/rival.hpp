#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// Who keeps a live object from being as it was applied.
struct Rival {
  std::string manager;  ///< its field manager, by metadata.managedFields; empty where nobody is named
  std::string field;    ///< `spec.template.spec.containers[worker].image`; empty where no field differs
  bool operator==(Rival const&) const = default;
};

/// Compares the body of an apply with the live object: the first field that differs and that another field
/// manager than `field_manager` owns, else the first that differs at all. A field of `field_manager` itself
/// that differs is another process with its name. Pure.
Rival find_rival(boost::json::object const& applied, boost::json::object const& live,
                 std::string_view field_manager);

/// When a child is written again that somebody undoes: Contest's wait, and the next look at the service.
inline constexpr std::string_view kWrittenAgain =
    "after a wait of at most a minute, with the next decision (spec.scaling.interval)";

/// What to tell the owner of a service. `child` names the object: `Deployment svc-worker`.
std::string to_string(Rival const& rival, std::string_view child, std::string_view field_manager);

}  // namespace ei::kube
