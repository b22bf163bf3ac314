#include "inference/checkpoint/random_weights.hpp"

#include <cmath>

#include "inference/checkpoint/resnet18.hpp"

namespace ei::inference {
namespace {

/// SplitMix64 (Steele et al. 2014): the standard library's distributions differ between implementations.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : state_(seed) {}
  /// Uniform in [-1, 1).
  float next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    z ^= z >> 31U;
    return static_cast<float>(z >> 40U) * 0x1p-23F - 1.0F;
  }

 private:
  std::uint64_t state_;
};

}  // namespace

OwnedStateDict random_resnet18(std::uint64_t seed, std::int64_t classes) {
  OwnedStateDict owned;
  Noise noise(seed);
  for (auto const& [name, shape] : resnet18_shapes(classes)) {
    TensorView view{DType::F32, shape, contiguous_strides(shape), {}};
    std::vector<float> values(static_cast<std::size_t>(view.count()));
    if (shape.size() > 1) {
      // He initialisation (2015): keeps the size of activations through the layers.
      std::int64_t const fan_in = view.count() / shape[0];
      float const bound = std::sqrt(6.0F / static_cast<float>(fan_in));
      for (auto& value : values) value = bound * noise.next();
    } else {
      // Normalisations that do nothing, but for the second of a block: a quarter keeps the sums from growing.
      float const scale = name.ends_with(".bn2.weight") ? 0.25F : 1.0F;
      bool const one = name.ends_with(".running_var") || (name != "fc.bias" && name.ends_with(".weight"));
      for (auto& value : values) value = one ? scale : 0.0F;
    }
    owned.elements.push_back(std::move(values));
    view.bytes = std::as_bytes(std::span<const float>(owned.elements.back()));
    owned.tensors.emplace(name, std::move(view));
  }
  return owned;
}

}  // namespace ei::inference
