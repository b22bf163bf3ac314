#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "inference/checkpoint/pickle.hpp"
#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// `torch.FloatStorage` → F32; none for what is no storage of plain numbers.
[[nodiscard]] std::optional<DType> storage_type(std::string const& global);

/// A storage as a persistent identifier names it: ('storage', torch.FloatStorage, key, location, count, …).
struct StorageName {
  DType type = DType::F32;
  std::string key;
  std::int64_t offset = 0;  ///< in elements; only legacy views have one
};
[[nodiscard]] std::optional<StorageName> storage_of(pickle::Ref node);

/// A storage's elements and what owns them, where the file does not.
struct StorageBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<void const> keep = nullptr;
};
/// Errors: Invalid, as a sentence about the storage.
using FindStorage = std::function<Result<StorageBytes>(std::string const& key)>;

/// The tensor that a value describes; none where it describes something else. Errors: Invalid.
using TensorOf = std::function<Result<std::optional<TensorView>>(pickle::Ref)>;

/// Reads what torch._utils._rebuild_tensor_v2 and its relatives are called with.
[[nodiscard]] TensorOf rebuilt_tensors(FindStorage find);

/// A view into a storage. Errors: Invalid: it reaches outside.
[[nodiscard]] Result<TensorView> view_of(StorageBytes const& storage, DType type, std::int64_t offset,
                                         std::vector<std::int64_t> shape, std::vector<std::int64_t> strides);

/// The dictionary of tensors in a document: the root, or the one that a training loop put below it, under any
/// keys. Of several, the one with a network's statistics in it; of several of these, what is called
/// `state_dict`, `model_state_dict` or `model`. Errors: Invalid: none, or several, with their keys.
[[nodiscard]] Result<StateDict> collect_tensors(pickle::Ref root, TensorOf const& tensor_of);

}  // namespace ei::inference
