#include "inference/model/folding.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/rsqrt.h>

#include "inference/model/convolution.hpp"
#include "inference/model/tensor_values.hpp"

namespace ei::inference {
namespace {

/// torch.nn.BatchNorm2d's default, which torchvision's ResNet18 keeps.
constexpr double kEpsilon = 1e-5;

at::ScalarType scalar_type(DType type) {
  switch (type) {
    case DType::F16:
      return at::kHalf;
    case DType::BF16:
      return at::kBFloat16;
    case DType::F64:
      return at::kDouble;
    default:
      return at::kFloat;  // select_resnet18 lets no integers through
  }
}

/// A scale divided by the root of a tiny variance, or a weight near float32's end, may overflow only here.
void check_folded(at::Tensor const& folded, std::string const& name, ConvolutionSpec const& spec) {
  auto const fault = fault_of_values(folded);
  if (fault.empty()) return;
  throw FoldingOverflow("tensor '" + name + "' with the normalisation '" + spec.norm +
                        "' folded in (scale / sqrt(running_var + 1e-5)) " + fault);
}

}  // namespace

at::Tensor to_tensor(TensorView const& view) {
  auto const options = at::TensorOptions().dtype(scalar_type(view.type));
  // from_blob wants a mutable pointer; what it makes is only read from, and copied before it is returned.
  auto* const data =
      const_cast<std::byte*>(view.bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  auto const tensor = at::from_blob(data, view.shape, view.strides, options);
  return tensor.to(at::kFloat, false, true, at::MemoryFormat::Contiguous);
}

Folded fold(ConvolutionSpec const& spec, StateDict const& tensors, at::ScalarType type) {
  auto const norm = [&](char const* part) { return to_tensor(tensors.at(spec.norm + part)); };
  auto const k = norm(".weight") * at::rsqrt(norm(".running_var") + kEpsilon);
  Folded folded;
  folded.bias = (norm(".bias") - norm(".running_mean") * k).to(type);
  folded.weight = (to_tensor(tensors.at(spec.weight)) * k.reshape({-1, 1, 1, 1})).to(type);
  check_folded(folded.weight, spec.weight, spec);
  check_folded(folded.bias, spec.norm + ".bias", spec);
  return folded;
}

}  // namespace ei::inference
