#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// Element types that checkpoints hold; only the first three and F64 can become weights.
enum class DType { F32, F16, BF16, F64, I64, I32, I16, I8, U8, Bool };

[[nodiscard]] std::size_t size_of(DType type);
[[nodiscard]] std::string_view to_string(DType type);

/// A tensor inside somebody else's bytes (a mapped file), little-endian.
struct TensorView {
  DType type = DType::F32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< in elements, one per dimension; never negative
  std::span<const std::byte> bytes;   ///< from the first element; covers every element that the strides reach
  std::shared_ptr<void const> keep = nullptr;  ///< what owns the bytes, where the file does not
  std::string name_in_file = {};               ///< where a StateDict calls it otherwise

  /// Number of elements.
  [[nodiscard]] std::int64_t count() const;
};

/// Name → tensor, in torchvision's names once select_resnet18 has seen it.
using StateDict = std::map<std::string, TensorView>;

/// `'conv1.weight'`, and what the file calls it where that differs: how a message names a tensor.
[[nodiscard]] std::string quoted(std::string const& name, TensorView const& tensor);

/// float32 zeros that own their elements.
[[nodiscard]] TensorView zeros(std::vector<std::int64_t> shape);

/// `[64, 3, 7, 7]`
[[nodiscard]] std::string format_shape(std::vector<std::int64_t> const& shape);

/// Row-major strides of a shape.
[[nodiscard]] std::vector<std::int64_t> contiguous_strides(std::vector<std::int64_t> const& shape);

/// Checks that shape and strides are sane and that every element lies within `bytes`.
/// Errors: Invalid, naming the fault (not the tensor: the caller knows its name).
[[nodiscard]] Result<void> check_bounds(TensorView const& tensor);

}  // namespace ei::inference
