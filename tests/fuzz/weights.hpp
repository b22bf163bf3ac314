// What every reader of weights promises.
#pragma once

#include <span>

#include "inference/checkpoint/tensors.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace ei::fuzz {

using Bytes = std::span<const std::byte>;

inline bool lies_in(Bytes part, Bytes file) {
  return part.empty() ||
         (part.data() >= file.data() && part.data() + part.size() <= file.data() + file.size());
}

/// Every element of every tensor lies in the file, or in what the tensor keeps of it unpacked.
inline void check_tensors(inference::StateDict const& tensors, Bytes file) {
  for (auto const& [name, tensor] : tensors) {
    require(tensor.keep != nullptr || lies_in(tensor.bytes, file), "a tensor lies in its file");
    require(bool(inference::check_bounds(tensor)), "its elements lie in its bytes");
    require(tensor.count() >= 0, "a tensor's count did not overflow");
  }
}

}  // namespace ei::fuzz
