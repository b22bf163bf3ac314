#pragma once

#include <string_view>

#include "inference/checkpoint/tensors.hpp"
#include "runtime/core/result.hpp"

namespace ei::inference {

/// What the convolutions compute in. The last layer and the softmax are always float32.
enum class Precision { Auto, Fp32, Bf16, Int8 };

/// `auto`, `fp32`, `bf16` or `int8`. Errors: Invalid, naming the allowed words.
[[nodiscard]] Result<Precision> parse_precision(std::string_view text);
[[nodiscard]] std::string_view to_string(Precision precision);

/// True where this CPU has instructions that multiply bf16 (AVX512-BF16 or AMX-BF16).
[[nodiscard]] bool cpu_multiplies_bf16();
/// Whether oneDNN computes in bf16 here at all, if slowly: it needs AVX-512 with BW, DQ and VL.
[[nodiscard]] bool cpu_computes_bf16();

/// Measures one convolution of the network in both precisions: a few milliseconds.
/// Precondition: as Classifier's.
[[nodiscard]] bool bf16_is_faster(StateDict const& tensors);

}  // namespace ei::inference
