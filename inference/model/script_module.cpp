#include "inference/model/script_module.hpp"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "inference/model/tensor_values.hpp"

namespace ei::inference {
namespace {

using torch::jit::Module;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

/// ImageNet's mean for each channel, as torchvision's Normalize takes it.
constexpr std::array<double, 3> kMean = {0.485, 0.456, 0.406};

/// True for the three numbers above, for pixels up to 1 or up to 255, in either order of the channels.
bool is_imagenet_mean(std::vector<double> numbers) {
  if (numbers.size() != 3) return false;
  double const scale = numbers[1] > 1 ? 255 : 1;
  if (numbers[0] < numbers[2]) std::reverse(numbers.begin(), numbers.end());
  for (std::size_t i = 0; i < 3; ++i) {
    if (std::abs(numbers[i] / scale - kMean[i]) > 2e-3) return false;
  }
  return true;
}

std::vector<double> three_numbers(c10::IValue const& value) {
  if (value.isDoubleList()) return value.toDoubleVector();
  if (!value.isTensor()) return {};
  auto const& tensor = value.toTensor();
  if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.numel() != 3 || tensor.is_quantized())
    return {};
  auto const flat = tensor.detach().to(at::kDouble).reshape({3}).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + 3};
}

/// One attribute or constant, named for messages.
Result<void> check_value(std::string const& name, c10::IValue const& value) {
  if (value.isTensor()) {
    // A variance of a normalisation, whatever stands before it.
    auto const fault = fault_of_values(value.toTensor(), name.ends_with("running_var"));
    if (!fault.empty()) return invalid("tensor '" + name + "' " + fault);
  }
  if (is_imagenet_mean(three_numbers(value))) {
    return invalid(
        "the model normalises its pictures itself ('" + name +
        "' is ImageNet's mean); the worker hands over normalised pictures: export the model without "
        "this step");
  }
  return {};
}

bool is_true(torch::jit::Node const* node, std::size_t input) {
  if (node->inputs().size() <= input) return false;
  auto const value = torch::jit::toIValue(node->inputs()[input]);
  return value && value->isBool() && value->toBool();
}

/// A layer that was fixed in training mode when the model was traced, where eval() cannot reach it.
bool trains(torch::jit::Node const* node) {
  std::string const kind = node->kind().toQualString();
  if (kind == "aten::batch_norm" || kind == "aten::_batch_norm_impl_index") return is_true(node, 5);
  return kind.starts_with("aten::") && kind.find("dropout") != std::string::npos && is_true(node, 2);
}

Result<void> check_block(torch::jit::Block const* block) {
  for (auto const* const node : block->nodes()) {
    if (trains(node)) {
      return invalid("the model was exported in training mode (" + std::string(node->kind().toQualString()) +
                     "): call model.eval() before torch.jit.trace or torch.jit.script");
    }
    for (auto const* const inner : node->blocks()) {
      if (auto const ok = check_block(inner); !ok) return ok.error();
    }
    if (node->kind() != torch::jit::prim::Constant) continue;
    auto const value = torch::jit::toIValue(node->output());
    if (!value) continue;
    if (auto const ok = check_value("a constant of forward()", *value); !ok) return ok.error();
  }
  return {};
}

std::string text_of(c10::FunctionSchema const& schema) {
  std::string text;
  for (std::size_t i = 1; i < schema.arguments().size(); ++i) {
    auto const& argument = schema.arguments()[i];
    text += (i > 1 ? ", " : "") + argument.name() + ": " + argument.type()->str();
  }
  return "forward(" + text + ")";
}

/// The first argument after `self` is the pictures; others must have defaults.
Result<void> check_forward(Module const& module) {
  auto const method = module.find_method("forward");
  if (!method) return invalid("the module has no method forward()");
  auto const& schema = method->function().getSchema();
  auto const& arguments = schema.arguments();
  bool good = arguments.size() >= 2 && arguments[1].type()->kind() == c10::TypeKind::TensorType;
  for (std::size_t i = 2; i < arguments.size(); ++i) good = good && arguments[i].default_value().has_value();
  if (good) return {};
  return invalid("the model takes " + text_of(schema) +
                 "; needed is forward(x) with one tensor, float32 [N, 3, 224, 224]");
}

}  // namespace

Result<void> check_module(Module const& module) {
  if (auto const ok = check_forward(module); !ok) return ok.error();
  for (auto const& attribute : module.named_attributes()) {
    if (auto const ok = check_value(attribute.name, attribute.value); !ok) return ok.error();
  }
  // Everything that forward() calls, in one graph.
  auto const graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return check_block(graph->block());
}

void make_float32(Module& module) {
  auto const convert = [](at::Tensor tensor) {
    if (tensor.defined() && at::isFloatingType(tensor.scalar_type()) && tensor.scalar_type() != at::kFloat)
      tensor.set_data(tensor.to(at::kFloat));
  };
  for (auto const& parameter : module.parameters()) convert(parameter);
  for (auto const& buffer : module.buffers()) convert(buffer);
}

}  // namespace ei::inference
