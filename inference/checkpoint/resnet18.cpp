#include "inference/checkpoint/resnet18.hpp"

#include <algorithm>

#include "inference/checkpoint/names.hpp"
#include "inference/checkpoint/values.hpp"

namespace ei::inference {
namespace {

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

Result<void> check(std::string const& name, TensorView const& tensor,
                   std::vector<std::int64_t> const& expected) {
  if (tensor.shape != expected) {
    return invalid("tensor '" + name + "' has shape " + format_shape(tensor.shape) + ", a ResNet18 has " +
                   format_shape(expected));
  }
  if (!is_floating(tensor.type)) {
    return invalid("tensor " + quoted(name, tensor) + " is of type " + std::string(to_string(tensor.type)) +
                   ", expected is one of F32, F16, BF16, F64");
  }
  return {};
}

using Shapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

/// Each tensor of `expected` is there and as it should be, and no other is.
Result<void> check_all(StateDict const& tensors, Shapes const& expected) {
  for (auto const& [name, shape] : expected) {
    auto const found = tensors.find(name);
    if (found == tensors.end()) {
      return invalid("tensor '" + name + "' " + format_shape(shape) +
                     " is missing: these are not the weights of a ResNet18");
    }
    if (auto const ok = check(name, found->second, shape); !ok) return ok.error();
  }
  for (auto const& [name, tensor] : tensors) {
    // Named again, as clang++ 14 captures no structured binding.
    bool const known = std::any_of(expected.begin(), expected.end(),
                                   [&name = name](auto const& entry) { return entry.first == name; });
    if (!known) {
      return invalid("tensor " + quoted(name, tensor) + " " + format_shape(tensor.shape) +
                     " is not part of a ResNet18: these are the weights of another network");
    }
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
  auto named = name_tensors(std::move(tensors));
  if (!named) return named.error();
  auto& selected = named->body;
  // The body first: another network's head would only distract from what it is.
  auto body = resnet18_shapes(1);
  std::erase_if(body, [](auto const& entry) { return entry.first.starts_with("fc."); });
  if (auto const ok = check_all(selected, body); !ok) return ok.error();
  auto head = find_head(named->rest);
  if (!head) return head.error();
  auto const classes = head->at("fc.weight").shape[0];
  for (auto const& [name, shape] : {std::pair{"fc.weight", std::vector{classes, resnet18_spec().features}},
                                    std::pair{"fc.bias", std::vector{classes}}}) {
    if (auto const ok = check(name, head->at(name), shape); !ok) return ok.error();
  }
  selected.merge(*head);
  return std::move(selected);
}

std::int64_t class_count(StateDict const& tensors) {
  return tensors.at("fc.weight").shape.at(0);
}

}  // namespace ei::inference
