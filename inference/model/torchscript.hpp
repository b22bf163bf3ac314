#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "inference/model/output.hpp"
#include "runtime/core/result.hpp"

namespace at {
class Tensor;  // LibTorch's headers stay out of ours
}

namespace ei::inference {

/// A TorchScript classifier that was tried on several pictures.
struct Script {
  std::function<at::Tensor(at::Tensor const&)> run;  ///< float32 [1, 3, 224, 224] → float32 [1, classes]
  std::int64_t classes = 0;
  Output output = Output::Scores;
  std::vector<std::string> warnings;  ///< what could not be made sure, one sentence each
};

/// Loads what torch.jit.save wrote and tries it: its values are finite, it is in evaluation mode, it takes
/// pictures as the worker makes them, and its output is one row for each picture. Errors: Invalid, saying
/// what was found and what is needed.
[[nodiscard]] Result<Script> load_script(std::filesystem::path const& path);

}  // namespace ei::inference
