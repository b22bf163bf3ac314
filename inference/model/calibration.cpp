#include "inference/model/calibration.hpp"

#include <algorithm>
#include <cmath>

#include "inference/model/output.hpp"

namespace ei::inference {

Agreement compare(std::span<const float> exact, std::span<const float> rounded, std::size_t classes) {
  std::vector<float> left(exact.begin(), exact.end());
  std::vector<float> right(rounded.begin(), rounded.end());
  make_probabilities(left, classes, Output::Scores);
  make_probabilities(right, classes, Output::Scores);
  Agreement agreement;
  agreement.pictures = left.size() / classes;
  std::size_t same = 0;
  for (std::size_t row = 0; row < agreement.pictures; ++row) {
    auto const begin = static_cast<std::ptrdiff_t>(row * classes);
    auto const end = begin + static_cast<std::ptrdiff_t>(classes);
    auto const best = [&](auto const& rows) {
      return std::max_element(rows.begin() + begin, rows.begin() + end) - rows.begin();
    };
    if (best(left) == best(right)) ++same;
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    agreement.largest_difference = std::max(
        agreement.largest_difference, std::abs(static_cast<double>(left[i]) - static_cast<double>(right[i])));
  }
  agreement.top1 = static_cast<double>(same) / static_cast<double>(agreement.pictures);
  return agreement;
}

}  // namespace ei::inference
