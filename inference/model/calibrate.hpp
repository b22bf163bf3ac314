#pragma once

#include <stdexcept>
#include <vector>

#include "inference/checkpoint/resnet18.hpp"
#include "inference/model/calibration.hpp"

namespace ei::inference {

/// Activations that are not finite for a finite picture.
struct ScoresOverflow : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Runs the pictures through the network in float32 and then in integers: what the ranges are, and how well
/// the two agree. Some 40 ms a picture. Precondition: as Classifier's; n ≥ 1 pictures, each float32 [3, 224,
/// 224], normalised. Throws FoldingOverflow; ScoresOverflow; dnnl::error.
[[nodiscard]] Calibration calibrate(StateDict const& tensors,
                                    std::vector<std::vector<float>> const& pictures);

}  // namespace ei::inference
