#include "inference/model/output.hpp"

#include <algorithm>
#include <cmath>

namespace ei::inference {
namespace {

/// How far a row's sum may be from 1: what rounding each probability to bf16, the coarsest type in use, can
/// add up to (2^-9 of each).
constexpr double kSumTolerance = 4e-3;

bool sums_to_one(std::span<const float> row, bool exponentials) {
  double sum = 0;
  for (float const value : row) {
    if (exponentials ? value > 0 : value < 0) return false;
    sum += exponentials ? std::exp(static_cast<double>(value)) : static_cast<double>(value);
  }
  return std::abs(sum - 1) <= kSumTolerance;
}

template <class Condition>
bool all_rows(std::span<const float> rows, std::size_t classes, Condition const& condition) {
  for (; rows.size() >= classes; rows = rows.subspan(classes)) {
    if (!condition(rows.first(classes))) return false;
  }
  return true;
}

void softmax(std::span<float> row) {
  float const largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (auto& score : row) sum += static_cast<double>(score = std::exp(score - largest));
  for (auto& score : row) score = static_cast<float>(static_cast<double>(score) / sum);
}

}  // namespace

std::string_view to_string(Output output) {
  switch (output) {
    case Output::Scores:
      return "scores";
    case Output::Probabilities:
      return "probabilities";
    case Output::LogProbabilities:
      return "log_probabilities";
  }
  return "scores";
}

Output recognise_output(std::span<const float> rows, std::size_t classes) {
  if (rows.empty()) return Output::Scores;
  // A single class tells nothing: its probability is 1 under either reading.
  if (all_rows(rows, classes, [](auto row) { return sums_to_one(row, false); })) return Output::Probabilities;
  if (all_rows(rows, classes, [](auto row) { return sums_to_one(row, true); }))
    return Output::LogProbabilities;
  return Output::Scores;
}

bool looks_like_sigmoids(std::span<const float> rows, std::size_t classes) {
  auto const within = [](float value) { return value >= 0 && value <= 1; };
  return std::all_of(rows.begin(), rows.end(), within) && recognise_output(rows, classes) == Output::Scores;
}

void make_probabilities(std::span<float> rows, std::size_t classes, Output output) {
  if (output != Output::Scores) {
    // Rounding in a model of half precision may end a hair over 1.
    for (auto& value : rows)
      value = std::clamp(output == Output::LogProbabilities ? std::exp(value) : value, 0.0F, 1.0F);
    return;
  }
  for (; rows.size() >= classes; rows = rows.subspan(classes)) softmax(rows.first(classes));
}

}  // namespace ei::inference
