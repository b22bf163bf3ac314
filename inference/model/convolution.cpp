#include "inference/model/convolution.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/conv2d.h>

#include "inference/model/folding.hpp"

namespace ei::inference {
namespace {

auto find_operator(char const* name) {  // c10::optional or std::optional, by version
  return c10::Dispatcher::singleton().findSchema({name, ""});
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
  auto const folded = fold(spec, tensors, type);
  auto const weight = folded.weight.contiguous(at::MemoryFormat::ChannelsLast);
  auto const& bias = folded.bias;
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
