#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// A convolution without bias, followed by a batch normalisation; names as in torchvision's state dict.
struct ConvolutionSpec {
  std::string weight;  ///< `layer1.0.conv1.weight`
  std::string norm;    ///< `layer1.0.bn1`: has .weight, .bias, .running_mean, .running_var
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
};

/// One basic block: relu(conv2(relu(conv1(x))) + shortcut(x)).
struct BlockSpec {
  ConvolutionSpec first;
  ConvolutionSpec second;
  bool has_shortcut = false;  ///< else the identity
  ConvolutionSpec shortcut;
};

/// ResNet18 (He et al. 2015, table 1) as torchvision builds it.
struct ResNet18Spec {
  ConvolutionSpec stem;
  std::vector<BlockSpec> blocks;  ///< eight
  std::int64_t features = 512;    ///< width of the last block, the input of `fc`
};
[[nodiscard]] ResNet18Spec resnet18_spec();

/// Every tensor of a ResNet18 state dict with its shape.
[[nodiscard]] std::vector<std::pair<std::string, std::vector<std::int64_t>>> resnet18_shapes(
    std::int64_t classes);

/// The most classes a last layer may have: what the worker link carries; the largest public label set,
/// ImageNet-21k, has 21,841.
inline constexpr std::int64_t kMaxClasses = 65'536;

/// Brings a state dict to torchvision's names (name_tensors, find_head) and checks that it is exactly a
/// ResNet18's, with any number of classes in `fc`. Errors: Invalid, naming the tensor,
/// what it is, and what is expected.
[[nodiscard]] Result<StateDict> select_resnet18(StateDict tensors);

/// The number of classes. Precondition: select_resnet18 returned `tensors`.
[[nodiscard]] std::int64_t class_count(StateDict const& tensors);

}  // namespace ei::inference
