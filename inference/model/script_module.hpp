#pragma once

// Before all others: without it LibTorch 1.13's own headers use a vector of IValue before they define IValue,
// which clang refuses in C++20.
#include <ATen/core/ivalue.h>

#include <torch/csrc/jit/api/module.h>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// Looks through a module that was loaded: its parameters, buffers and the constants of its code. Errors:
/// Invalid: a value that is not finite, by name; a method `forward` that takes something else than one
/// tensor; dropout or batch normalisation that was traced in training mode; a model that normalises its
/// pictures itself, which the worker has done already.
[[nodiscard]] Result<void> check_module(torch::jit::Module const& module);

/// Parameters and buffers of other floating point types become float32, as the pictures are.
void make_float32(torch::jit::Module& module);

}  // namespace ei::inference
