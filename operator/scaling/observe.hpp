#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

#include <optional>

namespace ei::scaling {

/// Puts a snapshot into the history: usable samples, measured starts, how long there has been data or none.
/// Says what became of the sample; only after `Fresh` and `Repeated` may a decision use gauges and rates.
SampleUse observe(Settings const& settings, State& state, Snapshot const& snapshot, Time now);

/// What one pair of samples in the history says about the time between them.
struct Span {
  double seconds = 0;
  double arrivals = 0;
  double completions = 0;
  double service_seconds = 0;
  double service_seconds_squared = 0;
};

/// Between the newest sample that is at least `ago_seconds + length_seconds` older than the newest one (or
/// the oldest there is) and the newest that is at least `ago_seconds` older. Empty when these are one sample.
std::optional<Span> span(State const& state, double ago_seconds, double length_seconds);

/// L̂: mean of the last measured starts, 5 s before there is one.
double expected_start_seconds(State const& state);

}  // namespace ei::scaling
