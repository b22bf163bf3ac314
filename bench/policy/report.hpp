#pragma once

#include <string>
#include <vector>

#include "bench/policy/contest.hpp"

namespace ei::bench {

/// A table of the cells, with the cells of one match together.
std::string table(std::vector<Cell> const& cells, Rules const& rules);

/// What the tables' columns do not say of themselves.
std::string legend(Rules const& rules);

/// How many workers the busiest minute of the matches' trace keeps busy at each service time and scale, and
/// where that is more than there may be: there nobody can be punctual.
std::string demand(std::vector<Match> const& matches, Rules const& rules);

/// The sentence about matches that have no plan of the planner because they are too long; empty for none.
std::string unplanned(std::vector<Match> const& matches, Rules const& rules);

/// What was aimed at against what was measured, for the course-shaped cells among them; empty without any.
std::string goals(std::vector<Cell> const& cells);

/// The last line: `{"cells": [...]}`.
std::string json_line(std::vector<Cell> const& cells, Rules const& rules);

std::string cells_csv(std::vector<Cell> const& cells, Rules const& rules);
/// The first run's workers wanted and ready and its queue at each whole second: time_s,desired,ready,queue.
std::string timeline_csv(Cell const& cell);
/// Second by second of each first run: rate, replicas wanted and ready, queue, latency
/// p99 of the second's arrivals.
std::string timelines_csv(std::vector<Cell> const& cells, Rules const& rules);

}  // namespace ei::bench
