#include "inference/model/resnet18_network.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/max_pool2d.h>

namespace ei::inference {
namespace {

constexpr std::int64_t kInputSide = 224;
constexpr std::int64_t kPooledSide = 56;  // after the stem's stride 2 and the pool's stride 2

}  // namespace

ResNet18Network::ResNet18Network(StateDict const& tensors, at::ScalarType type)
    : type_(type),
      stem_(resnet18_spec().stem, tensors, After::Relu, kInputSide, type),
      fc_weight_(to_tensor(tensors.at("fc.weight")).t().contiguous()),
      fc_bias_(to_tensor(tensors.at("fc.bias"))) {
  std::int64_t side = kPooledSide;
  for (auto const& spec : resnet18_spec().blocks) {
    std::int64_t const out = side / spec.first.stride;
    Block block{Convolution(spec.first, tensors, After::Relu, side, type),
                Convolution(spec.second, tensors, After::Nothing, out, type), std::nullopt};
    if (spec.has_shortcut) block.shortcut.emplace(spec.shortcut, tensors, After::Nothing, side, type);
    blocks_.push_back(std::move(block));
    side = out;
  }
}

at::Tensor ResNet18Network::operator()(at::Tensor const& pictures) const {
  auto x = stem_(pictures.to(type_).contiguous(at::MemoryFormat::ChannelsLast));
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (auto const& block : blocks_) {
    auto const identity = block.shortcut ? (*block.shortcut)(x) : x;
    x = block.second(block.first(x));
    x.add_(identity).relu_();
  }
  return at::addmm(fc_bias_, x.to(at::kFloat).mean(at::IntArrayRef{2, 3}), fc_weight_);
}

}  // namespace ei::inference
