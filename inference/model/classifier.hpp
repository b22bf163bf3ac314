#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inference/checkpoint/tensors.hpp"
#include "inference/model/calibration.hpp"
#include "inference/model/output.hpp"
#include "inference/model/precision.hpp"
#include "runtime/core/result.hpp"

namespace ei::inference {

/// Elements of one picture as the network takes it: float32 [3, 224, 224].
inline constexpr std::size_t kPictureElements = 3 * 224 * 224;

/// Makes LibTorch use the calling thread alone. Call on the thread that will compute,
/// before the first Classifier.
void use_one_thread();

/// What int8 takes besides the weights.
struct RoundingOptions {
  /// Pictures to calibrate on, each float32 [3, 224, 224], normalised; asked for only where nothing is known.
  std::function<Result<std::vector<std::vector<float>>>()> pictures = [] { return calibration_pictures(); };
  std::optional<Calibration> known;     ///< what calibrate came to before, with these weights and pictures
  std::optional<double> min_agreement;  ///< top-1 agreement from which Auto takes int8, [0.5, 1]; none: never
};

/// A ResNet18 (or another classifier in TorchScript) ready to run. Blocking; use from one thread at a time.
class Classifier {
 public:
  struct Network;  // the implementation's own

  /// Folds the normalisations into the convolutions and packs the weights for this CPU; `tensors` is not
  /// needed afterwards. Auto takes bf16 where the CPU has instructions for it (AVX512-BF16, AMX-BF16) and a
  /// convolution measured here and now is faster with them, and int8 where the CPU has instructions for it
  /// and `rounding` allows it. Precondition: select_resnet18 returned `tensors`. Errors: Invalid (a
  /// convolution overflows once its normalisation is folded in, activations overflow), what
  /// `rounding.pictures` gives, Io (LibTorch).
  [[nodiscard]] static Result<Classifier> from_state_dict(StateDict const& tensors, Precision precision,
                                                          RoundingOptions const& rounding = {});

  /// Loads what torch.jit.save wrote: any classifier from float32 [N,3,224,224] to [N,classes], which is
  /// tried on a few pictures. Computes in float32; Auto means that. A TorchScript file is a program: load
  /// only what you trust. Errors: Invalid (no such archive, load_script's, another precision asked for).
  [[nodiscard]] static Result<Classifier> from_torchscript(std::filesystem::path const& path,
                                                           Precision precision);

  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;

  [[nodiscard]] std::int64_t classes() const;
  /// Never Auto: what it came to.
  [[nodiscard]] Precision precision() const;
  /// Where int8 was asked for, or tried for Auto.
  [[nodiscard]] std::optional<Calibration> const& calibration() const;
  /// What outputs() gives: a state dict's network gives scores, a TorchScript model what its probes showed.
  [[nodiscard]] Output output() const;
  /// What could not be made sure of when the model was loaded, one sentence each, for the log.
  [[nodiscard]] std::vector<std::string> const& warnings() const;

  /// `pictures`: float32 [n, 3, 224, 224] NCHW, ImageNet-normalised, n × kPictureElements values, n ≥ 1.
  /// Returns the last layer's output, float32 [n, classes] row-major, which output() tells how to read.
  /// Errors: Invalid (size), Io (LibTorch).
  [[nodiscard]] Result<std::vector<float>> outputs(std::span<const float> pictures);

 private:
  explicit Classifier(std::unique_ptr<Network> network);
  std::unique_ptr<Network> network_;
};

}  // namespace ei::inference
