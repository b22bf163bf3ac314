#include "inference/model/calibrate.hpp"

#include <ATen/ops/abs.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>

#include "inference/model/convolution.hpp"
#include "inference/model/quantised_network.hpp"
#include "inference/model/resnet18_network.hpp"

namespace ei::inference {
namespace {

/// What a white pixel comes to in the third channel, (1 - 0.406) / 0.225: no picture is outside it.
constexpr float kWhitest = 2.64F;
/// The unit of an activation that is zero for each picture; any will do.
constexpr float kNothing = 1;

at::Tensor to_batch(std::vector<float> const& picture) {
  auto* const data = const_cast<float*>(picture.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(data, {1, 3, 224, 224}, at::kFloat);
}

void append(std::vector<float>& rows, at::Tensor const& row) {
  auto const plain = row.contiguous();
  rows.insert(rows.end(), plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel());
}

}  // namespace

Calibration calibrate(StateDict const& tensors, std::vector<std::vector<float>> const& pictures) {
  Calibration calibration;
  std::vector<float> exact;
  {
    // Gone before the integers' network is built, which needs the memory too.
    ResNet18Network const network(tensors, Precision::Fp32);
    calibration.ranges.front() = kWhitest;
    for (auto const& picture : pictures) {
      std::size_t activation = 0;
      auto const widen = [&](at::Tensor const& values) {
        auto& range = calibration.ranges.at(activation++);
        // Not std::max, which would pass over a NaN.
        if (float const largest = values.abs().max().item<float>(); !(largest <= range)) range = largest;
      };
      append(exact, network.run(to_batch(picture), widen));
    }
  }
  for (auto& range : calibration.ranges) {
    if (!std::isfinite(range)) {
      throw ScoresOverflow(
          "the weights overflow float32 on the way through the network, which int8 cannot be "
          "calibrated for");
    }
    if (range == 0) range = kNothing;
  }
  QuantisedNetwork const network(tensors, calibration.ranges);
  std::vector<float> rounded;
  for (auto const& picture : pictures) append(rounded, network(to_batch(picture)));
  calibration.agreement = compare(exact, rounded, static_cast<std::size_t>(class_count(tensors)));
  return calibration;
}

}  // namespace ei::inference
