#pragma once

#include <string>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// What a tensor's elements may be.
enum class Values {
  Finite,    ///< any number that float32 holds
  Variance,  ///< such a number that is not negative
};

/// Checks every element as the float32 that the network will compute with: a float64 of 1e300 is infinite
/// there. Errors: Invalid, with the first bad element, its index and how many there are, and without the
/// tensor's name: the caller knows it. Precondition: check_bounds(tensor); an element type that
/// is_floating() names.
[[nodiscard]] Result<void> check_values(TensorView const& tensor, Values allowed);

/// True for the types that can become weights.
[[nodiscard]] bool is_floating(DType type);

/// Checks each tensor of a state dict in torchvision's names: variances by their name, the rest as finite.
/// Errors: Invalid, naming the tensor.
[[nodiscard]] Result<void> check_values(StateDict const& tensors);

}  // namespace ei::inference
