#pragma once

#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

#include <string>
#include <vector>

namespace ei::scaling {

/// Workers that have not been ready for longer than a start ever takes, longest first: max(10 s, 3·L̂),
/// doubled after every replacement that did not become ready either, at most 10 min. The doubling is what
/// keeps a service alive whose first start takes longer than we assume (a large image on a new node). Of an
/// edit that no worker has got ready with yet, 10 min from the first: another would fare no better, and a
/// crash's count and last words would go with it.
std::vector<std::string> overdue_workers(State const& state, std::vector<Worker> const& workers);

/// The one of `overdue` to replace now, if any: one per L̂, so that a fault of all workers is not made worse.
std::vector<std::string> replace_one(State& state, std::vector<std::string> const& overdue, Time now);

}  // namespace ei::scaling
