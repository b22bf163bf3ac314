#include "inference/checkpoint/resnet18.hpp"

#include <algorithm>

namespace ei::inference {
namespace {

/// What the worker link carries; the largest public label set, ImageNet-21k, has 21,841.
constexpr std::int64_t kMaxClasses = 65'536;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

/// The wrapper's prefix (`module.`, `_orig_mod.`, `backbone.` …) in front of every tensor of the network, or
/// "".
std::string common_prefix(StateDict const& tensors) {
  constexpr std::string_view kFirst = "conv1.weight";
  if (tensors.contains(std::string(kFirst))) return "";
  for (auto const& [name, tensor] : tensors) {
    if (!name.ends_with("." + std::string(kFirst))) continue;
    auto const prefix = name.substr(0, name.size() - kFirst.size());
    // A block has a conv1 as well; only the network has an fc beside it.
    if (tensors.contains(prefix + "fc.weight")) return prefix;
  }
  return "";
}

bool is_floating(DType type) {
  return type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::F64;
}

Result<void> check(std::string const& name, TensorView const& tensor,
                   std::vector<std::int64_t> const& expected) {
  if (tensor.shape != expected) {
    return invalid("tensor '" + name + "' has shape " + format_shape(tensor.shape) + ", a ResNet18 has " +
                   format_shape(expected));
  }
  if (!is_floating(tensor.type)) {
    return invalid("tensor '" + name + "' is of type " + std::string(to_string(tensor.type)) +
                   ", expected is one of F32, F16, BF16, F64");
  }
  return {};
}

}  // namespace

ResNet18Spec resnet18_spec() {
  ResNet18Spec spec;
  spec.stem = {"conv1.weight", "bn1", 3, 64, 7, 2, 3};
  std::int64_t in = 64;
  for (int layer = 1; layer <= 4; ++layer) {
    std::int64_t const out = 32LL << layer;
    for (int index = 0; index < 2; ++index) {
      std::string const base = "layer" + std::to_string(layer) + "." + std::to_string(index) + ".";
      std::int64_t const stride = layer > 1 && index == 0 ? 2 : 1;
      BlockSpec block;
      block.first = {base + "conv1.weight", base + "bn1", in, out, 3, stride, 1};
      block.second = {base + "conv2.weight", base + "bn2", out, out, 3, 1, 1};
      block.has_shortcut = stride != 1;
      block.shortcut = {base + "downsample.0.weight", base + "downsample.1", in, out, 1, stride, 0};
      spec.blocks.push_back(block);
      in = out;
    }
  }
  return spec;
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> resnet18_shapes(std::int64_t classes) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  auto const add = [&](ConvolutionSpec const& convolution) {
    shapes.push_back(
        {convolution.weight, {convolution.out, convolution.in, convolution.kernel, convolution.kernel}});
    for (auto const* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
      shapes.push_back({convolution.norm + part, {convolution.out}});
    }
  };
  auto const spec = resnet18_spec();
  add(spec.stem);
  for (auto const& block : spec.blocks) {
    add(block.first);
    add(block.second);
    if (block.has_shortcut) add(block.shortcut);
  }
  shapes.push_back({"fc.weight", {classes, spec.features}});
  shapes.push_back({"fc.bias", {classes}});
  return shapes;
}

Result<StateDict> select_resnet18(StateDict tensors) {
  auto const prefix = common_prefix(tensors);
  StateDict named;
  for (auto& [name, tensor] : tensors) {
    if (!name.starts_with(prefix) || name.ends_with(".num_batches_tracked")) continue;
    named.emplace(name.substr(prefix.size()), std::move(tensor));
  }
  auto const fc = named.find("fc.weight");
  if (fc == named.end())
    return invalid("tensor 'fc.weight' is missing: these are not the weights of a ResNet18");
  if (fc->second.shape.size() != 2 || fc->second.shape[0] < 1 || fc->second.shape[0] > kMaxClasses) {
    return invalid("tensor 'fc.weight' has shape " + format_shape(fc->second.shape) +
                   ", a ResNet18 has [classes, 512] with 1 to " + std::to_string(kMaxClasses) + " classes");
  }
  auto const expected = resnet18_shapes(fc->second.shape[0]);
  for (auto const& [name, shape] : expected) {
    auto const found = named.find(name);
    if (found == named.end()) {
      return invalid("tensor '" + name + "' " + format_shape(shape) +
                     " is missing: these are not the weights of a ResNet18");
    }
    if (auto const ok = check(name, found->second, shape); !ok) return ok.error();
  }
  for (auto const& [name, tensor] : named) {
    // Named again, as clang++ 14 captures no structured binding.
    bool const known = std::any_of(expected.begin(), expected.end(),
                                   [&name = name](auto const& entry) { return entry.first == name; });
    if (!known) {
      return invalid("tensor '" + name + "' " + format_shape(tensor.shape) +
                     " is not part of a ResNet18: these are the weights of another network");
    }
  }
  return named;
}

std::int64_t class_count(StateDict const& tensors) {
  return tensors.at("fc.weight").shape.at(0);
}

}  // namespace ei::inference
