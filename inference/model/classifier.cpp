#include "inference/model/classifier.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/frozen_graph_optimizations.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "inference/checkpoint/resnet18.hpp"
#include "inference/model/precision.hpp"
#include "inference/model/resnet18_network.hpp"

namespace ei::inference {

struct Classifier::Network {
  std::function<at::Tensor(at::Tensor const&)> run;
  std::int64_t classes = 0;
  Precision precision = Precision::Fp32;
};

namespace {

/// LibTorch's message up to its stack trace.
std::string first_line(std::exception const& error) {
  std::string const text = error.what();
  return text.substr(0, text.find('\n'));
}

at::Tensor checked_scores(at::Tensor const& out, std::int64_t pictures) {
  TORCH_CHECK(out.dim() == 2 && out.size(0) == pictures && out.size(1) > 0,
              "the model gives a tensor of shape ", out.sizes(), ", a classifier gives [", pictures,
              ", classes]");
  return out.to(at::kFloat).contiguous();
}

}  // namespace

void use_one_thread() {
  at::set_num_threads(1);  // OpenMP's, which are the calling thread's own setting
  // The process's; LibTorch takes it once.
  static bool const set = [] {
    at::set_num_interop_threads(1);
    return true;
  }();
  static_cast<void>(set);
}

Classifier::Classifier(std::unique_ptr<Network> network) : network_(std::move(network)) {}
Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

Result<Classifier> Classifier::from_state_dict(StateDict const& tensors, Precision precision) {
  try {
    c10::InferenceMode const inference;
    if (precision == Precision::Auto) {
      precision = cpu_multiplies_bf16() && bf16_is_faster(tensors) ? Precision::Bf16 : Precision::Fp32;
    }
    auto network = std::make_unique<Network>();
    network->run = ResNet18Network(tensors, precision);
    network->classes = class_count(tensors);
    network->precision = precision;
    return Classifier(std::move(network));
  } catch (std::exception const& error) {
    return make_error(ErrorKind::Io, "LibTorch cannot build the model: " + first_line(error));
  }
}

Result<Classifier> Classifier::from_torchscript(std::filesystem::path const& path, Precision precision) {
  if (precision == Precision::Bf16) {
    return make_error(ErrorKind::Invalid,
                      path.string() + ": precision bf16 takes a state dict; TorchScript runs in fp32");
  }
  try {
    c10::InferenceMode const inference;
    auto module = torch::jit::load(path.string(), at::kCPU);
    module.eval();
    auto const frozen = std::make_shared<torch::jit::Module>(torch::jit::optimize_for_inference(module));
    auto network = std::make_unique<Network>();
    network->run = [frozen](at::Tensor const& pictures) {
      return checked_scores(frozen->forward({pictures}).toTensor(), pictures.size(0));
    };
    network->classes = network->run(at::zeros({1, 3, 224, 224})).size(1);
    return Classifier(std::move(network));
  } catch (std::exception const& error) {
    return make_error(ErrorKind::Invalid,
                      path.string() + ": not a usable TorchScript classifier: " + first_line(error));
  }
}

std::int64_t Classifier::classes() const {
  return network_->classes;
}
Precision Classifier::precision() const {
  return network_->precision;
}

Result<std::vector<float>> Classifier::logits(std::span<const float> pictures) {
  if (pictures.empty() || pictures.size() % kPictureElements != 0) {
    return make_error(ErrorKind::Invalid,
                      std::to_string(pictures.size()) + " values are no whole number of pictures");
  }
  try {
    c10::InferenceMode const inference;
    auto const count = static_cast<std::int64_t>(pictures.size() / kPictureElements);
    auto* const data =
        const_cast<float*>(pictures.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast): only read
    auto const out = network_->run(at::from_blob(data, {count, 3, 224, 224}, at::kFloat)).contiguous();
    auto const* const scores = out.data_ptr<float>();
    return std::vector<float>(scores, scores + out.numel());
  } catch (std::exception const& error) {
    return make_error(ErrorKind::Io, "LibTorch: " + first_line(error));
  }
}

void softmax_rows(std::span<float> scores, std::size_t classes) {
  for (; scores.size() >= classes; scores = scores.subspan(classes)) {
    auto const row = scores.first(classes);
    float const largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (auto& score : row) sum += score = std::exp(score - largest);
    for (auto& score : row) score = static_cast<float>(score / sum);
  }
}

}  // namespace ei::inference
