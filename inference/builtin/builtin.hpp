#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace ei::inference {

/// What the program carries inside itself, so that it needs no other file. Read-only pages of the executable:
/// shared between workers, and given back under memory pressure.
[[nodiscard]] std::span<const std::byte> shapes_weights();  ///< `.safetensors` of builtin://shapes
[[nodiscard]] std::string_view shapes_labels();             ///< its class names, one a line
[[nodiscard]] std::string_view
imagenet_labels();  ///< the 1,000 names of ImageNet-1k, as torchvision has them

/// Gives the pages of shapes_weights() back to the system; reading them again reads
/// them from the executable again.
void forget_shapes_weights();

}  // namespace ei::inference
