// Before all others: see script_module.hpp.
#include <ATen/core/ivalue.h>

#include "inference/model/classifier.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <functional>

#include "inference/checkpoint/resnet18.hpp"
#include "inference/model/calibrate.hpp"
#include "inference/model/precision.hpp"
#include "inference/model/quantised_network.hpp"
#include "inference/model/resnet18_network.hpp"
#include "inference/model/tensor_values.hpp"
#include "inference/model/torchscript.hpp"

namespace ei::inference {

struct Classifier::Network {
  std::function<at::Tensor(at::Tensor const&)> run;
  std::int64_t classes = 0;
  Precision precision = Precision::Fp32;
  Output output = Output::Scores;
  std::optional<Calibration> calibration;
  std::vector<std::string> warnings;
};

namespace {

/// A script sees one picture at a time: many are exported for a batch of one.
at::Tensor run_singly(Script const& script, at::Tensor const& pictures) {
  std::vector<at::Tensor> rows;
  for (auto const& picture : pictures.split(1)) {
    rows.push_back(script.run(picture));
    TORCH_CHECK(rows.back().size(1) == script.classes, "the model gives ", rows.back().size(1),
                " scores; it gave ", script.classes, " when it was loaded");
  }
  return at::cat(rows);
}

/// A number of at most four digits: 0.97
std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// Adds the calibration and, where it is good enough for what was asked, the integers' network. Errors: those
/// of the pictures.
Result<void> try_int8(Classifier::Network& network, StateDict const& tensors, Precision asked,
                      RoundingOptions const& rounding) {
  network.calibration = rounding.known;
  if (!network.calibration) {
    auto const pictures = rounding.pictures();
    if (!pictures) return pictures.error();
    network.calibration = calibrate(tensors, *pictures);
  }
  auto const& agreement = network.calibration->agreement;
  if (asked == Precision::Auto && agreement.top1 < *rounding.min_agreement) {
    network.warnings.push_back("int8 gives the class of fp32 for " + short_number(agreement.top1) + " of " +
                               std::to_string(agreement.pictures) +
                               " pictures; the least that is allowed is " +
                               short_number(*rounding.min_agreement) + ": the next precision is used");
    return {};
  }
  network.run = QuantisedNetwork(tensors, network.calibration->ranges);
  network.precision = Precision::Int8;
  return {};
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

Result<Classifier> Classifier::from_state_dict(StateDict const& tensors, Precision precision,
                                               RoundingOptions const& rounding) {
  if (precision == Precision::Bf16 && !cpu_computes_bf16()) {
    return make_error(
        ErrorKind::Invalid,
        "precision 'bf16' needs AVX-512 (F, BW, DQ and VL), which this CPU lacks; allowed here are "
        "auto, fp32 and int8");
  }
  if (precision == Precision::Int8 && !has_int8()) {
    return make_error(ErrorKind::Invalid,
                      "precision 'int8' is not in this build, which was made without oneDNN; allowed here "
                      "are auto, fp32 and bf16");
  }
  try {
    c10::InferenceMode const inference;
    auto network = std::make_unique<Network>();
    network->classes = class_count(tensors);
    bool const may_round = precision == Precision::Auto && rounding.min_agreement && cpu_multiplies_int8();
    if (precision == Precision::Int8 || may_round) {
      if (auto const tried = try_int8(*network, tensors, precision, rounding); !tried) return tried.error();
    }
    if (network->run) return Classifier(std::move(network));
    if (precision == Precision::Auto) {
      precision = cpu_multiplies_bf16() && bf16_is_faster(tensors) ? Precision::Bf16 : Precision::Fp32;
    }
    network->run = ResNet18Network(tensors, precision);
    network->precision = precision;
    return Classifier(std::move(network));
  } catch (FoldingOverflow const& overflow) {
    return make_error(ErrorKind::Invalid, overflow.what());
  } catch (ScoresOverflow const& overflow) {
    return make_error(ErrorKind::Invalid, overflow.what());
  } catch (std::exception const& error) {
    return make_error(ErrorKind::Io, "LibTorch cannot build the model: " + reason_of(error));
  }
}

Result<Classifier> Classifier::from_torchscript(std::filesystem::path const& path, Precision precision) {
  if (precision == Precision::Bf16 || precision == Precision::Int8) {
    return make_error(ErrorKind::Invalid, path.string() + ": precision " + std::string(to_string(precision)) +
                                              " takes a state dict; TorchScript runs in fp32");
  }
  try {
    c10::InferenceMode const inference;
    auto script = load_script(path);
    if (!script) return with_context(script.error(), path.string());
    auto network = std::make_unique<Network>();
    network->classes = script->classes;
    network->output = script->output;
    network->warnings = std::move(script->warnings);
    network->run = [script = std::move(*script)](at::Tensor const& pictures) {
      return run_singly(script, pictures);
    };
    return Classifier(std::move(network));
  } catch (std::exception const& error) {
    return make_error(ErrorKind::Invalid,
                      path.string() + ": not a usable TorchScript classifier: " + reason_of(error));
  }
}

std::int64_t Classifier::classes() const {
  return network_->classes;
}
Precision Classifier::precision() const {
  return network_->precision;
}
std::optional<Calibration> const& Classifier::calibration() const {
  return network_->calibration;
}

Output Classifier::output() const {
  return network_->output;
}
std::vector<std::string> const& Classifier::warnings() const {
  return network_->warnings;
}

Result<std::vector<float>> Classifier::outputs(std::span<const float> pictures) {
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
    return make_error(ErrorKind::Io, "LibTorch: " + reason_of(error));
  }
}

}  // namespace ei::inference
