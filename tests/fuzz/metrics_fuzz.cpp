// Prometheus text: as samples, and as what the operator reads of a dispatcher.
#include <cmath>

#include "operator/scrape/reading.hpp"
#include "runtime/metrics/parser.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

std::string escaped(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string written(metrics::Sample const& sample) {
  std::string out = sample.name + "{";
  for (auto const& [name, value] : sample.labels) out += name + "=\"" + escaped(value) + "\",";
  char number[64];
  std::snprintf(number, sizeof number, "%.17g", sample.value);
  out += "} " + std::string(number);
  if (sample.timestamp_ms) out += " " + std::to_string(*sample.timestamp_ms);
  return out + "\n";
}

void check_samples(std::string_view input) {
  auto const samples = metrics::parse_exposition(input);
  if (!samples) return;
  std::string text;
  for (auto const& sample : *samples) text += written(sample);
  auto const again = metrics::parse_exposition(text);
  require(again && again->size() == samples->size(), "samples survive being written and read");
  for (std::size_t i = 0; i < samples->size(); ++i) {
    auto expected = (*samples)[i];
    auto found = (*again)[i];
    require(std::isnan(expected.value) == std::isnan(found.value), "a value is a number or is not");
    if (std::isnan(expected.value)) expected.value = found.value = 0;
    require(found == expected, "a sample survives being written and read");
  }
}

void check_reading(std::string_view input) {
  auto const reading = scrape::read_exposition(input);
  if (!reading) return;
  for (auto const& [upper, count] : reading->answers) {
    require(!std::isnan(upper), "a bucket's bound is a number");
    require(std::isfinite(count) && count >= 0, "a bucket's count is an amount");
  }
  for (double const amount : {reading->arrivals, reading->completions, reading->service_seconds,
                              reading->queue, reading->in_flight, reading->oldest_age_seconds}) {
    require(std::isfinite(amount) && amount >= 0, "what is measured is an amount");
  }
  auto const both = scrape::sum_answers({*reading, *reading});
  static_cast<void>(scrape::late_answers(both, 0.5));
  scrape::LatencyWindow window;
  window.add(SteadyTime{}, reading->answers, 1);
  static_cast<void>(window.quantile(0.99));
  window.add(SteadyTime{} + milliseconds(1000), both, 1);
  static_cast<void>(window.quantile(0.99));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  check_samples(input);
  check_reading(input);
  return 0;
}
