#pragma once

#include <string>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// A file's tensors, told apart by their names.
struct NamedTensors {
  StateDict body;  ///< the convolutions and normalisations, in torchvision's names
  StateDict rest;  ///< everything else, in the file's names: the last layer, and what is foreign
};

/// Finds the one network in a state dict and brings its names to torchvision's. Known are torchvision's and
/// timm's own (`layer1.0.conv1.weight`), transformers'
/// (`encoder.stages.0.layers.0.layer.0.convolution.weight`) and those of a torch.nn.Sequential of the
/// network's children (`4.0.conv1.weight`), each behind any prefix
/// (`module.`, `model.backbone.`). Counters (`num_batches_tracked`), profilers' marks and what belongs to a
/// loss are dropped. Errors: Invalid: no such network, or more than one, with what was found.
[[nodiscard]] Result<NamedTensors> name_tensors(StateDict tensors);

/// The one linear layer in `rest` that follows 512 features, as `fc.weight` [classes, 512] and `fc.bias`
/// [classes], which is zeros where the file has none. Errors: Invalid: no layer, several, or something beside
/// it, with what was found and what was looked for.
[[nodiscard]] Result<StateDict> find_head(StateDict const& rest);

/// `'a' [64], 'b' [3, 7] and 60 more`.
[[nodiscard]] std::string list_tensors(StateDict const& tensors);

}  // namespace ei::inference
