#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/sim/trace.hpp"
#include "operator/simulation/rng.hpp"

namespace ei::bench {

/// The load shapes of the comparison, all in the course trace's units (7 a second when quiet, 36 to 44 when
/// busy), so that one scale factor fits them all to a service time.
enum class Shape { Course, Sinusoid, Square, OnOff, Ramp, FlashCrowd, RandomSteps, Spikes, Constant };

std::string_view name(Shape shape);

/// A trace of that shape. `Course`: 630 s; about 7 a second for 240 s, a step to 20 and within 8 s to 32, a
/// plateau of 30 to 44 until 385 s, decay by 480 s, flat to the end. Seed 0 is the plain one, with 9,917
/// requests; every other seed moves the step, the levels and the decay a little, as another recording of the
/// same service would.
Trace make_trace(Shape shape, std::uint64_t seed);

}  // namespace ei::bench
