#pragma once

#include <vector>

namespace ei::inference {

/// Pictures that a model is tried on before it is called ready, each float32 [3, 224, 224] as a normalised
/// picture: grey, black, a gradient, coloured stripes, and noise. The same on every machine.
[[nodiscard]] std::vector<std::vector<float>> probe_pictures();

}  // namespace ei::inference
