#include "inference/checkpoint/values.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace ei::inference {
namespace {

/// IEEE 754 binary16 as a float, which holds every one of its values.
float from_half(std::uint16_t half) {
  int const exponent = (half >> 10U) & 0x1f;
  int const fraction = half & 0x3ff;
  float const sign = (half & 0x8000U) != 0 ? -1.0F : 1.0F;
  if (exponent == 0x1f) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
}

template <class T>
T load(std::byte const* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// The element at `at`, in double so that a message can show what does not fit float32.
double element(DType type, std::byte const* at) {
  switch (type) {
    case DType::F64:
      return load<double>(at);
    case DType::F16:
      return static_cast<double>(from_half(load<std::uint16_t>(at)));
    case DType::BF16:
      return static_cast<double>(std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(at)} << 16U));
    default:
      return static_cast<double>(load<float>(at));
  }
}

bool is_good(double value, Values allowed) {
  if (!std::isfinite(static_cast<float>(value))) return false;
  return allowed == Values::Finite || value >= 0;
}

struct Bad {
  std::int64_t count = 0;
  std::vector<std::int64_t> first;  ///< its index
  double value = 0;
};

/// Every element in row-major order, by an index that counts like an odometer.
Bad find_bad(TensorView const& tensor, Values allowed) {
  Bad bad;
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  auto const size = static_cast<std::int64_t>(size_of(tensor.type));
  std::int64_t offset = 0;
  for (std::int64_t left = tensor.count(); left > 0; --left) {
    double const value = element(tensor.type, tensor.bytes.data() + offset * size);
    if (!is_good(value, allowed)) {
      if (bad.count++ == 0) {
        bad.first = index;
        bad.value = value;
      }
    }
    for (std::size_t i = index.size(); i-- > 0;) {
      offset += tensor.strides[i];
      if (++index[i] < tensor.shape[i]) break;
      offset -= tensor.strides[i] * tensor.shape[i];
      index[i] = 0;
    }
  }
  return bad;
}

/// True when no exponent of a packed tensor is all ones. The common case, at the speed of memory: twelve
/// million weights one by one would add 40 ms to every start.
template <class Word>
bool no_exponent_is(Word exponent, std::span<const std::byte> bytes) {
  Word bad = 0;
  for (std::size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word)) {
    bad = static_cast<Word>(bad | ((load<Word>(bytes.data() + at) & exponent) == exponent ? 1 : 0));
  }
  return bad == 0;
}

bool plainly_finite(TensorView const& tensor) {
  if (tensor.strides != contiguous_strides(tensor.shape)) return false;
  auto const bytes = tensor.bytes.first(static_cast<std::size_t>(tensor.count()) * size_of(tensor.type));
  switch (tensor.type) {
    case DType::F32:
      return no_exponent_is<std::uint32_t>(0x7f800000U, bytes);
    case DType::F16:
      return no_exponent_is<std::uint16_t>(0x7c00U, bytes);
    case DType::BF16:
      return no_exponent_is<std::uint16_t>(0x7f80U, bytes);
    default:
      return false;  // float64 may be finite and yet not fit float32
  }
}

std::string number(double value) {
  if (std::isnan(value)) return "nan";  // without its sign
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

bool is_floating(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::F64;
}

Result<void> check_values(TensorView const& tensor, Values allowed) {
  if (plainly_finite(tensor) && allowed == Values::Finite) return {};
  auto const bad = find_bad(tensor, allowed);
  if (bad.count == 0) return {};
  return make_error(ErrorKind::Invalid, "holds " + number(bad.value) + " at " + format_shape(bad.first) +
                                            ", the first of " + std::to_string(bad.count) +
                                            " bad ones among its " + std::to_string(tensor.count()) +
                                            (allowed == Values::Variance ? " variances" : " values") +
                                            "; allowed are finite numbers that float32 holds" +
                                            (allowed == Values::Variance ? ", from 0 on" : ""));
}

Result<void> check_values(StateDict const& tensors) {
  for (auto const& [name, tensor] : tensors) {
    auto const allowed = name.ends_with(".running_var") ? Values::Variance : Values::Finite;
    if (auto const ok = check_values(tensor, allowed); !ok) {
      return make_error(ErrorKind::Invalid, "tensor " + quoted(name, tensor) + " " + ok.error().message);
    }
  }
  return {};
}

}  // namespace ei::inference
