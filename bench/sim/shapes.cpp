#include "bench/sim/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

namespace ei::bench {
namespace {

constexpr int kCourseSeconds = 630;
constexpr int kCourseRequests = 9'917;
constexpr int kShapeSeconds = 600;
constexpr double kQuiet = 7;
constexpr double kBusy = 36;
constexpr double kPeak = 44;

int rounded(double value) {
  return std::max(0, static_cast<int>(std::floor(value + 0.5)));
}

/// Seconds at a rate, each off by up to a sixth: smoother than Poisson, as recorded traces are; the spacing
/// inside a second adds its own noise.
Trace sampled(int length, Rng& rng, std::function<double(int)> const& rate) {
  Trace trace;
  double carried = 0;
  for (int second = 0; second < length; ++second) {
    double const wanted = rate(second) * rng.uniform(5.0 / 6, 7.0 / 6) + carried;
    trace.push_back(rounded(wanted));
    carried = wanted - trace.back();
  }
  return trace;
}

struct CourseShape {
  double quiet = 7.4;
  double plateau = 36;
  int step = 240;
  int rise_seconds = 8;
  int fall = 385;
  int calm = 480;
};

CourseShape vary(Rng& rng) {
  CourseShape shape;
  shape.quiet = rng.uniform(6.5, 8.2);
  shape.plateau = rng.uniform(34, 38);
  shape.step = 225 + static_cast<int>(rng.below(31));
  shape.rise_seconds = 5 + static_cast<int>(rng.below(7));
  shape.fall = 370 + static_cast<int>(rng.below(31));
  shape.calm = 465 + static_cast<int>(rng.below(31));
  return shape;
}

int course_second(CourseShape const& shape, int second, Rng& rng) {
  auto const quiet = [&] {
    return std::clamp(rounded(rng.uniform(shape.quiet - 2.5, shape.quiet + 2.5)), 5, 10);
  };
  if (second < shape.step) return quiet();
  if (second < shape.step + shape.rise_seconds) {
    double const part = static_cast<double>(second - shape.step) / shape.rise_seconds;
    return rounded(20 + 12 * part + rng.uniform(-1, 1));
  }
  if (second < shape.fall) return std::clamp(rounded(shape.plateau + 3.5 * rng.normal()), 30, 44);
  if (second < shape.calm) {
    // Down through 30, 20 and 12: exponential decay from the plateau's foot towards the quiet level.
    double const part = static_cast<double>(second - shape.fall) / (shape.calm - shape.fall);
    return rounded(shape.quiet + (30 - shape.quiet) * std::exp(-2.6 * part) + rng.uniform(-1.5, 1.5));
  }
  return quiet();
}

Trace course(std::uint64_t seed) {
  Rng rng(0xc0 + seed);
  CourseShape const shape = seed == 0 ? CourseShape{} : vary(rng);
  Trace trace;
  for (int second = 0; second < kCourseSeconds; ++second) trace.push_back(course_second(shape, second, rng));
  if (seed != 0) return trace;
  // The plain one has the course trace's total: the rest is spread over the plateau.
  int missing = kCourseRequests - std::accumulate(trace.begin(), trace.end(), 0);
  while (missing != 0) {
    int const step = missing > 0 ? 1 : -1;
    auto const span = static_cast<std::uint64_t>(shape.fall - shape.step - shape.rise_seconds);
    int& count = trace[static_cast<std::size_t>(shape.step + shape.rise_seconds) + rng.below(span)];
    if (count + step < 30 || count + step > 44) continue;
    count += step;
    missing -= step;
  }
  return trace;
}

double flash_crowd(int second, int start) {
  if (second < start) return kQuiet;
  if (second < start + 2) return (kQuiet + kPeak) / 2;
  return kQuiet + (kPeak - kQuiet) * std::exp(-(second - start - 2) / 60.0);
}

}  // namespace

std::string_view name(Shape shape) {
  switch (shape) {
    case Shape::Course:
      return "course";
    case Shape::Sinusoid:
      return "sinusoid";
    case Shape::Square:
      return "square";
    case Shape::OnOff:
      return "on_off";
    case Shape::Ramp:
      return "ramp";
    case Shape::FlashCrowd:
      return "flash_crowd";
    case Shape::RandomSteps:
      return "random_steps";
    case Shape::Spikes:
      return "spikes";
    case Shape::Constant:
      return "constant";
  }
  return "";
}

Trace make_trace(Shape shape, std::uint64_t seed) {
  Rng rng(0x5a00 + seed * 64 + static_cast<std::uint64_t>(shape));
  switch (shape) {
    case Shape::Course:
      return course(seed);
    case Shape::Sinusoid:
      return sampled(kShapeSeconds, rng,
                     [](int s) { return 22 - 15 * std::cos(2 * std::numbers::pi * s / 150); });
    case Shape::Square:
      return sampled(kShapeSeconds, rng, [](int s) { return s / 60 % 2 == 1 ? kBusy : kQuiet; });
    case Shape::OnOff:
      return sampled(kShapeSeconds, rng, [](int s) { return s / 50 % 2 == 1 ? kBusy : 0; });
    case Shape::Ramp:
      return sampled(kShapeSeconds, rng, [](int s) { return 5 + 35 * (1 - std::abs(s - 300) / 300.0); });
    case Shape::FlashCrowd: {
      int const start = 180 + static_cast<int>(rng.below(60));
      return sampled(kShapeSeconds, rng, [=](int s) { return flash_crowd(s, start); });
    }
    case Shape::RandomSteps: {
      double level = kQuiet;
      int until = 60;
      return sampled(kShapeSeconds, rng, [&](int s) {
        if (s >= until) {
          level = rng.uniform(5, kPeak);
          until = s + 20 + static_cast<int>(rng.below(60));
        }
        return level;
      });
    }
    case Shape::Spikes:
      return sampled(kShapeSeconds, rng, [](int s) { return s % 45 >= 40 ? kPeak : kQuiet; });
    case Shape::Constant:
      return sampled(kShapeSeconds, rng, [](int) { return 22; });
  }
  return {};
}

}  // namespace ei::bench
