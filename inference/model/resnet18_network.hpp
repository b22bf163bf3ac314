#pragma once

#include <functional>
#include <memory>

#include "inference/model/convolution.hpp"

namespace ei::inference {

/// The whole network, fixed to one precision (Fp32 or Bf16).
class ResNet18Network {
 public:
  ResNet18Network(StateDict const& tensors, Precision precision);

  /// float32 [n, 3, 224, 224] → float32 [n, classes], scores before the softmax.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& pictures) const;

  /// The same, and shows the activations on the way, in the order of Ranges.
  using Observe = std::function<void(at::Tensor const& activation)>;
  [[nodiscard]] at::Tensor run(at::Tensor const& pictures, Observe const& observe) const;

 private:
  struct Layers;
  std::shared_ptr<Layers const> layers_;
};

}  // namespace ei::inference
