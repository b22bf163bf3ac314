#include "inference/model/resnet18_network.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/max_pool2d.h>

#include <optional>
#include <vector>

namespace ei::inference {
namespace {

constexpr std::int64_t kInputSide = 224;
constexpr std::int64_t kPooledSide = 56;  // after the stem's stride 2 and the pool's stride 2

}  // namespace

struct ResNet18Network::Layers {
  struct Block {
    Convolution first;
    Convolution second;
    std::optional<Convolution> shortcut;
  };
  at::ScalarType type;
  Convolution stem;
  std::vector<Block> blocks;
  at::Tensor fc_weight;  ///< float32 [512, classes]
  at::Tensor fc_bias;    ///< float32 [classes]
};

ResNet18Network::ResNet18Network(StateDict const& tensors, Precision precision) {
  auto const spec = resnet18_spec();
  Layers layers{precision == Precision::Bf16 ? at::kBFloat16 : at::kFloat,
                Convolution(spec.stem, tensors, After::Relu, kInputSide, precision),
                {},
                to_tensor(tensors.at("fc.weight")).t().contiguous(),
                to_tensor(tensors.at("fc.bias"))};
  std::int64_t side = kPooledSide;
  for (auto const& block : spec.blocks) {
    std::int64_t const out = side / block.first.stride;
    auto& added = layers.blocks.emplace_back(
        Layers::Block{Convolution(block.first, tensors, After::Relu, side, precision),
                      Convolution(block.second, tensors, After::Nothing, out, precision), std::nullopt});
    if (block.has_shortcut) added.shortcut.emplace(block.shortcut, tensors, After::Nothing, side, precision);
    side = out;
  }
  layers_ = std::make_shared<Layers>(std::move(layers));
}

at::Tensor ResNet18Network::operator()(at::Tensor const& pictures) const {
  return run(pictures, [](at::Tensor const&) {});
}

at::Tensor ResNet18Network::run(at::Tensor const& pictures, Observe const& observe) const {
  observe(pictures);
  auto x = layers_->stem(pictures.to(layers_->type).contiguous(at::MemoryFormat::ChannelsLast));
  observe(x);
  x = at::max_pool2d(x, {3, 3}, {2, 2}, {1, 1});
  for (auto const& block : layers_->blocks) {
    auto const identity = block.shortcut ? (*block.shortcut)(x) : x;
    if (block.shortcut) observe(identity);
    x = block.first(x);
    observe(x);
    x = block.second(x);
    x.add_(identity).relu_();
    observe(x);
  }
  return at::addmm(layers_->fc_bias, x.to(at::kFloat).mean(at::IntArrayRef{2, 3}), layers_->fc_weight);
}

}  // namespace ei::inference
