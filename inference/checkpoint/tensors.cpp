#include "inference/checkpoint/tensors.hpp"

#include <bit>
#include <limits>

namespace ei::inference {
namespace {

static_assert(std::endian::native == std::endian::little, "checkpoints are read in place, little-endian");

/// More dimensions than any weight has.
constexpr std::size_t kMaxDimensions = 8;

}  // namespace

std::size_t size_of(DType type) {
  switch (type) {
    case DType::F64:
    case DType::I64:
      return 8;
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::F16:
    case DType::BF16:
    case DType::I16:
      return 2;
    case DType::I8:
    case DType::U8:
    case DType::Bool:
      return 1;
  }
  return 1;
}

std::string_view to_string(DType type) {
  switch (type) {
    case DType::F32:
      return "F32";
    case DType::F16:
      return "F16";
    case DType::BF16:
      return "BF16";
    case DType::F64:
      return "F64";
    case DType::I64:
      return "I64";
    case DType::I32:
      return "I32";
    case DType::I16:
      return "I16";
    case DType::I8:
      return "I8";
    case DType::U8:
      return "U8";
    case DType::Bool:
      return "BOOL";
  }
  return "?";
}

std::int64_t TensorView::count() const {
  std::int64_t product = 1;
  for (auto const size : shape) product *= size;
  return product;
}

std::string quoted(std::string const& name, TensorView const& tensor) {
  if (tensor.name_in_file.empty()) return "'" + name + "'";
  return "'" + name + "' (in the file: '" + tensor.name_in_file.substr(0, 200) + "')";
}

TensorView zeros(std::vector<std::int64_t> shape) {
  TensorView tensor{DType::F32, std::move(shape), {}, {}};
  tensor.strides = contiguous_strides(tensor.shape);
  auto const elements = std::make_shared<std::vector<float>>(static_cast<std::size_t>(tensor.count()));
  tensor.bytes = std::as_bytes(std::span<const float>(*elements));
  tensor.keep = elements;
  return tensor;
}

std::string format_shape(std::vector<std::int64_t> const& shape) {
  std::string text = "[";
  for (auto const size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

std::vector<std::int64_t> contiguous_strides(std::vector<std::int64_t> const& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Result<void> check_bounds(TensorView const& tensor) {
  auto const invalid = [](std::string what) { return make_error(ErrorKind::Invalid, std::move(what)); };
  if (tensor.shape.size() > kMaxDimensions) return invalid("more than 8 dimensions");
  if (tensor.shape.size() != tensor.strides.size())
    return invalid("as many strides as dimensions are needed");
  auto const available = static_cast<std::int64_t>(tensor.bytes.size() / size_of(tensor.type));
  std::int64_t count = 1;
  std::int64_t last = 0;  // index of the farthest element
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    auto const size = tensor.shape[i];
    auto const stride = tensor.strides[i];
    if (size < 0 || stride < 0) return invalid("a negative size or stride");
    // A stride of 0 repeats elements, so the bytes alone do not bound the count.
    std::int64_t step = 0;
    if (__builtin_mul_overflow(count, size, &count) || count > std::numeric_limits<std::int32_t>::max()) {
      return invalid("shape " + format_shape(tensor.shape) + " is too large");
    }
    if (size == 0) continue;
    if (__builtin_mul_overflow(size - 1, stride, &step) || __builtin_add_overflow(last, step, &last)) {
      return invalid("strides reach too far");
    }
  }
  if (count > 0 && last >= available) {
    return invalid("shape " + format_shape(tensor.shape) + " of " + std::string(to_string(tensor.type)) +
                   " reaches beyond its " + std::to_string(tensor.bytes.size()) + " bytes");
  }
  return {};
}

}  // namespace ei::inference
