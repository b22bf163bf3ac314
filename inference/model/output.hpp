#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace ei::inference {

/// What a model's last layer gives for each class.
enum class Output {
  Scores,            ///< any numbers: a softmax makes probabilities of them
  Probabilities,     ///< the model ends in a softmax already
  LogProbabilities,  ///< the model ends in a log_softmax
};

/// `scores`, `probabilities`, `log_probabilities`.
[[nodiscard]] std::string_view to_string(Output output);

/// What a model gives, judged by its rows for several different pictures: probabilities are never negative
/// and each row sums to 1; the exponentials of log-probabilities do. Everything else is scores, also scores
/// that happen to be positive. `rows`: [n, classes] row-major, finite.
[[nodiscard]] Output recognise_output(std::span<const float> rows, std::size_t classes);

/// True when every value of `rows` lies in [0, 1] and yet the rows are not recognised as probabilities: a
/// sigmoid for each class, most likely, which no softmax can make right.
[[nodiscard]] bool looks_like_sigmoids(std::span<const float> rows, std::size_t classes);

/// Turns rows of a model's output into probabilities in [0, 1], in place: scores by e^x / Σ e^x without
/// overflow, log-probabilities by e^x, probabilities as they are.
void make_probabilities(std::span<float> rows, std::size_t classes, Output output);

}  // namespace ei::inference
