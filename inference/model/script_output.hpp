#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// The rows of scores in what a model returned for one picture: float32 [1, classes]. A row may come as
/// [classes], [1, classes, 1, 1] and the like, in any floating point type. Of a tuple, list or dictionary the
/// unambiguous one is taken: the only row, the dictionary's `logits`, `out` and the like, or the first of
/// several rows with the same number of classes, as with auxiliary classifiers. Errors: Invalid, saying what
/// was returned and what is needed.
[[nodiscard]] Result<at::Tensor> scores_in(c10::IValue const& returned);

}  // namespace ei::inference
