#include "bench/load/trace_command.hpp"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/trace_file.hpp"
#include "bench/sim/shapes.hpp"

namespace ei::bench {
namespace {

struct Flags {
  std::string shape{name(Shape::Course)};
  std::uint64_t seed = 0;
  TraceFlags trace;
  double scale = 1;
};

std::map<std::string, Shape> shapes() {
  std::map<std::string, Shape> known;
  for (Shape const shape : {Shape::Course, Shape::Sinusoid, Shape::Square, Shape::OnOff, Shape::Ramp,
                            Shape::FlashCrowd, Shape::RandomSteps, Shape::Spikes, Shape::Constant}) {
    known.emplace(name(shape), shape);
  }
  return known;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (auto const& [shape_name, shape] : shapes()) all.push_back(shape_name);
  return all;
}

Result<Trace> trace_of(Flags const& flags) {
  if (flags.trace.file.empty()) return scale(make_trace(shapes().at(flags.shape), flags.seed), flags.scale);
  auto const trace = load_trace(flags.trace, flags.seed);
  if (!trace) return trace.error();
  return scale(*trace, flags.scale);
}

int run(Flags const& flags) {
  auto const trace = trace_of(flags);
  if (!trace) {
    std::fprintf(stderr, "error: %s\n", trace.error().message.c_str());
    return 1;
  }
  for (int const count : *trace) std::printf("%d\n", count);
  return 0;
}

}  // namespace

void add_trace_command(CLI::App& program, int& code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* trace =
      program.add_subcommand("trace", "Prints a trace: requests in each second, one integer a line");
  trace->option_defaults()->always_capture_default();
  auto* shape =
      trace->add_option("--shape", flags->shape, "A shape of the comparisons")->check(CLI::IsMember(names()));
  trace->add_option("--seed", flags->seed,
                    "0 is the plain trace, every other a variation; of a file, what spreads its minutes");
  add_trace_options(*trace, flags->trace)->excludes(shape);
  trace->add_option("--scale", flags->scale, "Multiplies every second")->check(CLI::PositiveNumber);
  trace->callback([flags, &code] { code = run(*flags); });
}

}  // namespace ei::bench
