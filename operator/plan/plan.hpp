#pragma once

#include "operator/plan/action.hpp"
#include "operator/plan/status.hpp"
#include "operator/plan/verdict.hpp"

namespace ei::plan {

struct Plan {
  Actions actions;     ///< children first, then what is told about them, the status last
  api::Status status;  ///< the newest, also where writing it is not worth it yet

  bool operator==(Plan const&) const = default;
};

/// What must be done so that the service is as its spec and the decision say. Without a spec in force
/// children stay as they are; a service that is being deleted is left alone.
[[nodiscard]] Plan make_plan(Observation const& seen, Verdict const& verdict, WallTime now);

}  // namespace ei::plan
