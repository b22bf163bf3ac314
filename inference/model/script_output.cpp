#include "inference/model/script_output.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {
namespace {

constexpr std::string_view kNeeded =
    "; needed is one row of scores for each picture, a floating point tensor [N, classes]";
/// Tuples in tuples: deeper than any model nests its outputs.
constexpr int kMaxDepth = 3;
/// More outputs than any classifier has.
constexpr std::size_t kMaxParts = 64;

Error invalid(std::string what) {
  return make_error(ErrorKind::Invalid, std::move(what));
}

std::string describe(at::Tensor const& tensor) {
  if (!tensor.defined()) return "None";
  return std::string(c10::toString(tensor.scalar_type())) + " " + format_shape(tensor.sizes().vec());
}

/// The tensor as one row, where it is one.
std::optional<at::Tensor> as_row(at::Tensor const& tensor) {
  if (!tensor.defined() || tensor.dim() == 0 || tensor.numel() == 0) return {};
  auto const values = tensor.is_quantized() ? tensor.dequantize() : tensor;
  if (!at::isFloatingType(values.scalar_type())) return {};
  // [classes], or [1, …] with one dimension that is not 1.
  if (values.dim() > 1 && (values.size(0) != 1 || std::count_if(values.sizes().begin(), values.sizes().end(),
                                                                [](auto size) { return size != 1; }) > 1)) {
    return {};
  }
  return values.to_dense().reshape({1, values.numel()}).to(at::kFloat).contiguous();
}

struct Part {
  std::string name;  ///< a dictionary's key, or the place in a tuple
  at::Tensor tensor;
};

void add_parts(c10::IValue const& value, std::string const& name, int depth, std::vector<Part>& parts) {
  if (parts.size() >= kMaxParts) return;
  auto const below = [&](std::string const& own) { return name.empty() ? own : name + "." + own; };
  if (value.isTensor()) {
    parts.push_back({name, value.toTensor()});
  } else if (depth == 0) {
    return;
  } else if (value.isTuple() || value.isList()) {
    std::size_t place = 0;
    auto const add = [&](c10::IValue const& entry) {
      add_parts(entry, below(std::to_string(place++)), depth - 1, parts);
    };
    if (value.isTuple()) {
      for (auto const& entry : value.toTupleRef().elements()) add(entry);
    } else {
      for (auto const& entry : value.toListRef()) add(entry);
    }
  } else if (value.isGenericDict()) {
    for (auto const& entry : value.toGenericDict()) {
      auto const& key = entry.key();
      add_parts(entry.value(), below(key.isString() ? key.toStringRef() : "?"), depth - 1, parts);
    }
  }
}

std::string describe(std::vector<Part> const& parts) {
  std::string text;
  for (auto const& part : parts) {
    text += (text.empty() ? "" : ", ") + ("'" + part.name + "' ") + describe(part.tensor);
  }
  return text;
}

/// A dictionary's usual names for what comes before or after the softmax.
std::optional<at::Tensor> well_known(std::vector<Part> const& parts) {
  for (std::string_view const name : {"logits", "out", "output", "scores", "probabilities", "probs"}) {
    for (auto const& part : parts) {
      if (part.name != name && !part.name.ends_with("." + std::string(name))) continue;
      if (auto row = as_row(part.tensor)) return row;
    }
  }
  return {};
}

Result<at::Tensor> pick(c10::IValue const& returned, std::vector<Part> const& parts) {
  if (auto row = well_known(parts)) return *row;
  std::vector<at::Tensor> rows;
  bool indices = false;
  for (auto const& part : parts) {
    if (auto row = as_row(part.tensor)) rows.push_back(std::move(*row));
    indices = indices || (part.tensor.defined() && part.tensor.scalar_type() == at::kLong);
  }
  std::string const found = "the model returns several values: " + describe(parts);
  if (rows.empty()) return invalid(found + std::string(kNeeded));
  if (indices && rows.size() == 1 && parts.size() == 2 &&
      parts[0].tensor.numel() == parts[1].tensor.numel() && parts[0].tensor.numel() > 1) {
    return invalid(found + ", as of topk()" + std::string(kNeeded));
  }
  bool const same = std::all_of(rows.begin(), rows.end(),
                                [&](auto const& row) { return row.size(1) == rows.front().size(1); });
  if (rows.size() > 1 && (!same || returned.isGenericDict())) {
    return invalid(found +
                   "; it is not clear which of them are the scores: export a model that returns these alone");
  }
  return rows.front();
}

}  // namespace

Result<at::Tensor> scores_in(c10::IValue const& returned) {
  if (returned.isTensor()) {
    auto const& tensor = returned.toTensor();
    if (auto row = as_row(tensor)) return *row;
    return invalid("the model returns a tensor " + describe(tensor) + " for one picture" +
                   std::string(kNeeded));
  }
  std::vector<Part> parts;
  add_parts(returned, "", kMaxDepth, parts);
  if (parts.empty())
    return invalid("the model returns a value of type " + returned.tagKind() + std::string(kNeeded));
  return pick(returned, parts);
}

}  // namespace ei::inference
