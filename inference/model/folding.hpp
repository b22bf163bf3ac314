#pragma once

#include <ATen/core/Tensor.h>

#include "inference/checkpoint/resnet18.hpp"

namespace ei::inference {

/// A convolution with its batch normalisation folded in.
struct Folded {
  at::Tensor weight;  ///< [out, in, kernel, kernel], contiguous
  at::Tensor bias;    ///< [out]
};

/// y = (conv(x) - mean) / sqrt(variance + ε) · scale + shift is one convolution, whose weight is weight · k
/// and whose bias is shift - mean · k. Precondition: as Classifier's. Throws FoldingOverflow.
[[nodiscard]] Folded fold(ConvolutionSpec const& spec, StateDict const& tensors, at::ScalarType type);

}  // namespace ei::inference
