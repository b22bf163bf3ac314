#pragma once

#include <memory>
#include <span>

#include "inference/checkpoint/resnet18.hpp"
#include "inference/model/calibration.hpp"

namespace at {
class Tensor;  // LibTorch's headers stay out of ours
}

namespace ei::inference {

/// The whole network in 8-bit integers, by oneDNN itself: LibTorch's quantised operators do not fuse the sum
/// of a block. Weights are symmetric with one scale for each output channel, activations have one scale for
/// each layer; sums and the scales are exact. The last layer is float32. Measured on one core of a Xeon with
/// AVX512-VNNI (2.1 GHz), batch 1: fp32 25.8 ms, this 6.0 ms.
///
/// Use from one thread at a time. Copies share their buffers.
class QuantisedNetwork {
 public:
  /// Precondition: as Classifier's. Throws FoldingOverflow; dnnl::error.
  QuantisedNetwork(StateDict const& tensors, Ranges const& ranges);

  /// float32 [n, 3, 224, 224] → float32 [n, classes], scores before the softmax.
  [[nodiscard]] at::Tensor operator()(at::Tensor const& pictures) const;

 private:
  struct Program;
  std::shared_ptr<Program> program_;
};

/// Whether this build has the network: it needs oneDNN 2 or 3. Elsewhere its constructor is not to be called.
[[nodiscard]] bool has_int8();

/// Whether this CPU multiplies 8-bit integers fast: VNNI, with 256 or 512 bits, or AMX. Where it does not,
/// the result is as good (activations have 7 bits there), but no faster than fp32.
[[nodiscard]] bool cpu_multiplies_int8();

}  // namespace ei::inference
