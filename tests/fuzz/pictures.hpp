#pragma once

#include <cmath>

#include "dispatcher/contract/link/floats.hpp"
#include "dispatcher/oip/infer.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace ei::fuzz {

/// What holds of every request that was taken, whatever its protocol: 1 to kMaxImages pictures, tensors that
/// are finite and of one picture's size, and at most `most_bytes` in all.
inline void require_pictures(dispatcher::oip::InferRequest const& request, std::size_t most_bytes) {
  using namespace dispatcher;
  require(!request.pictures.empty() && request.pictures.size() <= oip::kMaxImages,
          "1 to kMaxImages pictures");
  std::size_t total = 0;
  for (auto const& picture : request.pictures) {
    total += picture.bytes.size();
    if (picture.kind != link::ItemKind::Tensor) continue;
    require(picture.bytes.size() == link::kTensorBytes, "a tensor is one picture");
    for (float const value : link::floats(picture.bytes)) require(std::isfinite(value), "tensors are finite");
  }
  require(total <= most_bytes, "pictures take no more memory than their request paid for");
}

}  // namespace ei::fuzz
