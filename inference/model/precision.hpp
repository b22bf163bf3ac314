#pragma once

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// True where this CPU has instructions that multiply bf16 (AVX512-BF16 or AMX-BF16).
[[nodiscard]] bool cpu_multiplies_bf16();

/// Measures one convolution of the network in both precisions: a few milliseconds. Precondition: as
/// Classifier's.
[[nodiscard]] bool bf16_is_faster(StateDict const& tensors);

}  // namespace ei::inference
