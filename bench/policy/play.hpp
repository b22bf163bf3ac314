#pragma once

#include <span>
#include <vector>

#include "bench/policy/contest.hpp"

namespace ei::bench {

/// Every contestant in every match, in that order; `jobs` cells at a time, with the same result as one by
/// one. Left out: the planner where there are faults, which it does not foresee, and where its search
/// would take too long (`can_plan`). Meanwhile standard error says how far it is: one line that is redrawn on
/// a terminal, else a line every few seconds. Errors: those of `play`; the first one ends all.
Result<std::vector<Cell>> play_all(std::vector<Match> const& matches, std::span<Player const> players,
                                   Rules const& rules, unsigned jobs);

}  // namespace ei::bench
