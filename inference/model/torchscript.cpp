// Before all others: see script_module.hpp.
#include <ATen/core/ivalue.h>

#include "inference/model/torchscript.hpp"

#include <ATen/ops/allclose.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/serialization/import.h>

#include <array>
#include <memory>
#include <optional>

#include "inference/checkpoint/tensors.hpp"
#include "inference/model/probes.hpp"
#include "inference/model/script_module.hpp"
#include "inference/model/script_output.hpp"
#include "inference/model/tensor_values.hpp"

namespace ei::inference {
namespace {

using torch::jit::Module;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

constexpr char const* kNeeded =
    "needed is a model from float32 [N, 3, 224, 224] (RGB, normalised as ImageNet's) to [N, classes], for "
    "any N "
    "or for N = 1";

/// Another input that models are exported for, in words.
struct Alternative {
  std::vector<std::int64_t> shape;
  at::ScalarType type;
  std::string words;
};

std::vector<Alternative> alternatives() {
  std::vector<Alternative> all = {
      {{1, 3, 224, 224}, at::kByte, "pictures of bytes, which it normalises itself"},
      {{1, 224, 224, 3}, at::kFloat, "pictures with the channels last"},
      {{1, 224, 224, 3}, at::kByte, "pictures of bytes with the channels last"},
      {{3, 224, 224}, at::kFloat, "one picture without a batch"},
      {{1, 1, 224, 224}, at::kFloat, "grey pictures"},
      {{1, 4, 224, 224}, at::kFloat, "pictures of four channels"},
      {{1, 3, 224, 224}, at::kHalf, "float16 pictures"},
      {{1, 3, 224, 224}, at::kDouble, "float64 pictures"},
      {{1, 1, 28, 28}, at::kFloat, "grey pictures of 28 pixels"},
      {{1, 1, 32, 32}, at::kFloat, "grey pictures of 32 pixels"}};
  // Sides that published networks are trained at, the usual ones first: a network may take several, as 288
  // and 299 pixels come to the same size after four halvings.
  for (std::int64_t const side : {299, 256, 384, 32,  28,  64,  48,  96,  112, 128, 160, 192, 227,
                                  232, 240, 260, 288, 300, 320, 331, 336, 380, 448, 480, 512}) {
    all.push_back({{1, 3, side, side}, at::kFloat, "pictures of " + std::to_string(side) + " pixels"});
  }
  for (std::int64_t const side : {299, 256, 384, 32}) {
    all.push_back({{1, side, side, 3},
                   at::kFloat,
                   "pictures of " + std::to_string(side) + " pixels with the channels last"});
  }
  // Sixteen pictures are as much as a worker of the smallest memory should compute at once.
  for (std::int64_t const batch : {2, 4, 8, 10, 16}) {
    all.push_back({{batch, 3, 224, 224}, at::kFloat, "batches of exactly " + std::to_string(batch)});
  }
  return all;
}

/// What else the model takes, once it has failed on what it should take.
std::optional<Alternative> find_alternative(Module& module) {
  for (auto const& other : alternatives()) {
    try {
      static_cast<void>(module.forward({at::zeros(other.shape, other.type)}));
      return other;
    } catch (std::exception const&) {  // not this one either
    }
  }
  return {};
}

Error cannot_run(Module& module, std::exception const& error) {
  auto reason = reason_of(error);
  if (auto const other = find_alternative(module)) {
    return invalid("the model takes " + other->words + ", " + c10::toString(other->type) + " " +
                   format_shape(other->shape) + "; " + kNeeded);
  }
  if (reason.find("CUDA") != std::string::npos || reason.find("cuda") != std::string::npos)
    reason += " (the model names a GPU: move it to the CPU before it is exported)";
  return invalid("the model fails on float32 [1, 3, 224, 224]: " + reason + "; " + kNeeded);
}

at::Tensor tensor_of(std::vector<float>& picture) {
  return at::from_blob(picture.data(), {1, 3, 224, 224}, at::kFloat);
}

/// Runs the probes. Errors: not finite; another number of classes; the same picture gives two answers.
Result<void> try_pictures(Script& script) {
  std::vector<float> rows;
  for (auto& picture : probe_pictures()) {
    auto const row = script.run(tensor_of(picture));
    if (auto const fault = fault_of_values(row); !fault.empty())
      return invalid("the model's answer to a picture of finite values " + fault);
    if (script.classes == 0) script.classes = row.size(1);
    if (row.size(1) != script.classes) {
      return invalid("the model gives " + std::to_string(script.classes) + " scores for one picture and " +
                     std::to_string(row.size(1)) + " for another; " + kNeeded);
    }
    // Dropout that no flag shows, or noise: the service's answers would be a lottery.
    if (rows.empty() && !at::allclose(row, script.run(tensor_of(picture)), 1e-3, 1e-3)) {
      return invalid(
          "the model gives another answer each time for the same picture, as dropout does in training mode: "
          "call "
          "model.eval() before it is exported");
    }
    rows.insert(rows.end(), row.data_ptr<float>(), row.data_ptr<float>() + row.numel());
  }
  auto const classes = static_cast<std::size_t>(script.classes);
  script.output = recognise_output(rows, classes);
  if (looks_like_sigmoids(rows, classes)) {
    script.warnings.emplace_back(
        "every output lies between 0 and 1 and yet they do not sum to 1, as behind a sigmoid for each class; "
        "they "
        "are taken as scores and get a softmax: export the model without the sigmoid");
  }
  if (classes == 1) {
    script.warnings.emplace_back(
        "the model has one output, whose probability is always 100 %; a classifier of two classes needs two");
  }
  return {};
}

/// LibTorch's fastest form of the module; the module itself where it cannot be frozen.
std::shared_ptr<Module> optimised(Module& module) {
  try {
    return std::make_shared<Module>(torch::jit::optimize_for_inference(module));
  } catch (std::exception const&) {
    return std::make_shared<Module>(module);
  }
}

}  // namespace

Result<Script> load_script(std::filesystem::path const& path) {
  auto module = torch::jit::load(path.string(), at::kCPU);
  module.eval();
  if (auto const ok = check_module(module); !ok) return ok.error();
  make_float32(module);
  try {
    static_cast<void>(module.forward({at::zeros({1, 3, 224, 224})}));
  } catch (std::exception const& error) {
    return cannot_run(module, error);
  }
  auto const fast = optimised(module);
  Script script;
  script.run = [fast](at::Tensor const& picture) {
    auto const scores = scores_in(fast->forward({picture}));
    if (!scores) throw std::runtime_error(scores.error().message);
    return *scores;
  };
  if (auto const tried = try_pictures(script); !tried) return tried.error();
  return script;
}

}  // namespace ei::inference
