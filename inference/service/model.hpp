#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "dispatcher/contract/link/protocol.hpp"
#include "inference/labels/labels.hpp"
#include "inference/model/classifier.hpp"
#include "inference/service/source.hpp"

namespace ei::inference {

/// A classifier and its class names, ready to answer jobs. Blocking; use from one thread at a time.
struct Model {
  Classifier classifier;
  Labels labels;              ///< classifier.classes() of them
  std::string labels_sha256;  ///< of the names, one a line
  std::string version;        ///< which weights these are: see link::is_model_version()
  /// Finite pictures so far whose scores were not: only broken weights do that.
  std::size_t nonfinite = 0;
};

/// Where everything lies once nothing more has to be fetched.
struct ModelFiles {
  std::variant<FromShapes, FromRandom, FromFile> weights;
  /// None: the names that go with the weights (shapes: its own; 1,000 classes: ImageNet's; else `class 0` …).
  std::optional<std::variant<FromShapes, FromImagenet, FromFile>> labels;
  Precision precision = Precision::Auto;
  std::optional<double> min_agreement;  ///< with fp32, from which Auto takes int8, [0.5, 1]; none: never
  std::filesystem::path cache_dir;  ///< keeps int8's calibration for the next start; empty: nothing is kept
  std::string sha256;               ///< of the weights' file, where that is known already
  /// The weights came over the network, and nobody has said which bytes they must be. Such a file may hold
  /// tensors, but no program.
  bool unchecked = false;
};

/// Reads, checks and builds the model. Errors: Invalid, NotFound or Io, naming the file and the fault.
[[nodiscard]] Result<Model> build_model(ModelFiles const& files);

/// Runs the network on two pictures, so that the first request does not pay for what LibTorch prepares.
/// Errors: Invalid (scores that are not finite), Io.
[[nodiscard]] Result<void> warm_up(Model& model);

/// Answers one job of the worker link: one item result per picture, in order. What cannot be decoded or
/// computed is an item's error, never the job's.
[[nodiscard]] dispatcher::link::JobResult answer_job(Model& model, dispatcher::link::Job const& job);

}  // namespace ei::inference
