#include "inference/model/tensor_values.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/nonzero.h>

#include <cstdio>
#include <exception>
#include <vector>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

std::string fault_of_values(at::Tensor const& tensor, bool variance) {
  bool const plain = tensor.defined() && tensor.layout() == at::kStrided && !tensor.is_quantized() &&
                     at::isFloatingType(tensor.scalar_type());
  if (!plain || tensor.numel() == 0) return {};
  // As float32, which is what the network computes with.
  auto const values = tensor.detach().to(at::kFloat);
  auto good = at::isfinite(values);
  if (variance) good = good.logical_and(values.ge(0));
  if (good.all().item<bool>()) return {};
  auto const bad = at::nonzero(good.logical_not());  // [count, dimensions], in row-major order
  std::vector<std::int64_t> index;
  for (std::int64_t i = 0; i < bad.size(1); ++i) index.push_back(bad[0][i].item<std::int64_t>());
  auto element = values;
  for (auto const i : index) element = element[i];
  float const value = element.item<float>();
  char number[32];
  std::snprintf(number, sizeof number, "%g", static_cast<double>(value));
  return "holds " + std::string(value != value ? "nan" : number) + " at " + format_shape(index) +
         ", the first of " + std::to_string(bad.size(0)) + " bad ones among its " +
         std::to_string(tensor.numel()) + (variance ? " variances" : " values") +
         "; allowed are finite numbers that float32 holds" + (variance ? ", from 0 on" : "");
}

std::string reason_of(std::exception const& error) {
  std::string text = error.what();
  // An error inside TorchScript: two stack traces of the model's code, then the reason.
  constexpr std::string_view kReason = "RuntimeError: ";
  if (auto const at = text.rfind(kReason); at != std::string::npos) text.erase(0, at + kReason.size());
  return text.substr(0, text.find('\n'));
}

}  // namespace ei::inference
