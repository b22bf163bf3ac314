#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// One name per class, by index.
using Labels = std::vector<std::string>;

/// Longest name taken, bytes: far over any real one, and 100 of them fit one answer on the worker link.
inline constexpr std::size_t kMaxLabelBytes = 200;

/// Parses a label file, UTF-8: one name per line in the order of the classes, or one of the forms that
/// inference/labels/forms.hpp lists, told by content. Names are trimmed; empty lines at the end are ignored,
/// one in between is an error. Errors: Invalid, naming the line or the class's number,
/// and what was recognised.
[[nodiscard]] Result<Labels> parse_labels(std::string_view text);

/// The names of a model with `classes` classes. `given` are the ones asked for. Errors:
/// Invalid when their numbers differ.
[[nodiscard]] Result<Labels> check_labels(Labels given, std::int64_t classes);

/// `class 0`, `class 1` …
[[nodiscard]] Labels numbered_labels(std::int64_t classes);

/// The labels as one text, one line each: what their digest is taken of.
[[nodiscard]] std::string join_labels(Labels const& labels);

}  // namespace ei::inference
