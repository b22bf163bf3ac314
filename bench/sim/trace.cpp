#include "bench/sim/trace.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <string>

namespace ei::bench {

Result<Trace> parse_trace(std::string_view text) {
  constexpr int kMostPerSecond = 1'000'000;  // what a day of simulation still holds in memory
  Trace trace;
  for (std::size_t at = 0; at < text.size();) {
    char const c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at;
      continue;
    }
    std::string_view const word = text.substr(at, text.find_first_of(", \t\r\n#", at) - at);
    int count = 0;
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
    if (error != std::errc{} || end != word.data() + word.size() || count < 0 || count > kMostPerSecond) {
      return make_error(
          ErrorKind::Invalid,
          "a trace holds requests per second, one integer in [0, 1000000] each; this is none: " +
              std::string(word));
    }
    trace.push_back(count);
    at += word.size();
  }
  if (trace.empty()) return make_error(ErrorKind::Invalid, "the trace is empty");
  return trace;
}

Trace scale(Trace const& trace, double factor) {
  Trace scaled;
  double wanted = 0;
  double given = 0;
  for (int const count : trace) {
    wanted += count * factor;
    double const now = std::max(0.0, std::floor(wanted - given + 0.5));
    given += now;
    scaled.push_back(static_cast<int>(now));
  }
  return scaled;
}

double busiest_minute_rps(Trace const& trace) {
  std::size_t const window = std::min<std::size_t>(60, trace.size());
  if (window == 0) return 0;
  auto const after = trace.begin() + static_cast<std::ptrdiff_t>(window);
  long sum = std::accumulate(trace.begin(), after, 0L);
  long most = sum;
  for (std::size_t at = window; at < trace.size(); ++at) {
    sum += trace[at] - trace[at - window];
    most = std::max(most, sum);
  }
  return static_cast<double>(most) / static_cast<double>(window);
}

std::vector<Time> arrivals(Trace const& trace, Rng& rng) {
  std::vector<Time> instants;
  for (std::size_t second = 0; second < trace.size(); ++second) {
    double at_seconds = static_cast<double>(second);
    for (int i = 0; i < trace[second]; ++i) {
      at_seconds += rng.exponential(1.0 / trace[second]);
      instants.push_back(Time(seconds(at_seconds)));
    }
  }
  std::sort(instants.begin(), instants.end());
  return instants;
}

}  // namespace ei::bench
