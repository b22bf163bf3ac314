#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "inference/model/convolution.hpp"

namespace ei::inference {

/// The whole network, fixed to one element type.
class ResNet18Network {
 public:
  ResNet18Network(StateDict const& tensors, at::ScalarType type);

  /// float32 [n, 3, 224, 224] → float32 [n, classes], scores before the softmax.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& pictures) const;

 private:
  struct Block {
    Convolution first;
    Convolution second;
    std::optional<Convolution> shortcut;
  };
  at::ScalarType type_;
  Convolution stem_;
  std::vector<Block> blocks_;
  at::Tensor fc_weight_;  ///< float32 [512, classes]
  at::Tensor fc_bias_;    ///< float32 [classes]
};

}  // namespace ei::inference
