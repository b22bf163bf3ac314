#include "inference/model/convolution.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/rsqrt.h>

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

auto find_operator(char const* name) {  // c10::optional or std::optional, by version
  return c10::Dispatcher::singleton().findSchema({name, ""});
}

/// A scale divided by the root of a tiny variance, or a weight near float32's end, may overflow only here.
void check_folded(at::Tensor const& folded, std::string const& name, ConvolutionSpec const& spec) {
  auto const fault = fault_of_values(folded);
  if (fault.empty()) return;
  throw FoldingOverflow("tensor '" + name + "' with the normalisation '" + spec.norm +
                        "' folded in (scale / sqrt(running_var + 1e-5)) " + fault);
}

c10::IValue pack(ConvolutionSpec const& spec, at::Tensor const& weight, at::Tensor const& bias, After after,
                 std::int64_t side) {
  static auto const conv2d_prepack = find_operator("mkldnn_prepacked::conv2d_prepack");
  static auto const conv2d_run = find_operator("mkldnn_prepacked::conv2d_run");
  if (!conv2d_prepack || !conv2d_run) return {};
  using Integers = std::vector<std::int64_t>;
  torch::jit::Stack stack{weight,
                          bias,
                          Integers{spec.stride, spec.stride},
                          Integers{spec.padding, spec.padding},
                          Integers{1, 1},   // dilation
                          std::int64_t{1},  // groups
                          Integers{1, spec.in, side, side},
                          std::string(after == After::Relu ? "relu" : "none")};
  conv2d_prepack->callBoxed(stack);
  return stack.front();
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

/// Either packed, or weight and bias.
struct Convolution::Packed {
  ConvolutionSpec spec;
  After after = After::Nothing;
  c10::IValue packed;
  at::Tensor weight;
  at::Tensor bias;
};

Convolution::Convolution(ConvolutionSpec const& spec, StateDict const& tensors, After after,
                         std::int64_t side, Precision precision) {
  auto const type = precision == Precision::Bf16 ? at::kBFloat16 : at::kFloat;
  auto const norm = [&](char const* part) { return to_tensor(tensors.at(spec.norm + part)); };
  // y = (conv(x) - mean) / sqrt(variance + ε) · scale + shift is one convolution, whose weight is weight · k
  // and whose bias is shift - mean · k.
  auto const k = norm(".weight") * at::rsqrt(norm(".running_var") + kEpsilon);
  auto const bias = (norm(".bias") - norm(".running_mean") * k).to(type);
  auto const folded = to_tensor(tensors.at(spec.weight)) * k.reshape({-1, 1, 1, 1});
  auto const weight = folded.to(type).contiguous(at::MemoryFormat::ChannelsLast);
  check_folded(weight, spec.weight, spec);
  check_folded(bias, spec.norm + ".bias", spec);
  auto packed = pack(spec, weight, bias, after, side);
  bool const done = !packed.isNone();
  packed_ = std::make_shared<Packed>(
      Packed{spec, after, std::move(packed), done ? at::Tensor() : weight, done ? at::Tensor() : bias});
}

at::Tensor Convolution::operator()(at::Tensor const& input) const {
  auto const& [spec, after, packed, weight, bias] = *packed_;
  if (packed.isNone()) {
    auto out = at::conv2d(input, weight, bias, {spec.stride, spec.stride}, {spec.padding, spec.padding});
    return after == After::Relu ? out.relu_() : out;
  }
  static auto const conv2d_run = find_operator("mkldnn_prepacked::conv2d_run");
  torch::jit::Stack stack{input, packed};
  conv2d_run->callBoxed(stack);
  return stack.front().toTensor();
}

}  // namespace ei::inference
