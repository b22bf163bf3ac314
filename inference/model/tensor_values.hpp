#pragma once

#include <string>

namespace at {
class Tensor;
}

namespace ei::inference {

/// Why a tensor's values cannot be computed with, without its name: the first value that is not finite (or,
/// for a variance, negative), its index, and how many there are. Empty when all are good, or when the tensor
/// is none of plain floating point numbers.
[[nodiscard]] std::string fault_of_values(at::Tensor const& tensor, bool variance = false);

/// LibTorch's message without its stack traces.
[[nodiscard]] std::string reason_of(std::exception const& error);

}  // namespace ei::inference
