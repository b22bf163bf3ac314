#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/labels/labels.hpp"

namespace ei::inference {

/// Class numbers with their names, in a file's order.
using Numbered = std::vector<std::pair<std::int64_t, std::string>>;

/// Orders names by their numbers, which must be 0 to n - 1, each once. Errors: Invalid, naming the first
/// number that is there twice, missing, or out of range.
[[nodiscard]] Result<Labels> order_labels(Numbered numbered);

/// Labels of a JSON or Python file: a list of names; a dictionary from number to name, or from name to
/// number; either behind `id2label`, `label2id`, `labels`, `classes` or a single other key. A name may stand
/// behind its WordNet identifier: ["n01440764", "tench"]. Errors: Invalid, saying what was recognised.
[[nodiscard]] Result<Labels> labels_of_literal(std::string_view text);

/// Labels of a file that gives one class on each line: names in order; `0: tench`, `0 tench`; `n01440764
/// tench, Tinca tinca`; CSV with a column of numbers, with a header or not; a YAML list. Errors: Invalid,
/// naming the line.
[[nodiscard]] Result<Labels> labels_of_lines(std::string_view text);

/// Without white space at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);
/// A whole number from 0 on and nothing else.
[[nodiscard]] std::optional<std::int64_t> parse_index(std::string_view text);
/// `n01440764`: a WordNet identifier, as ImageNet's classes have.
[[nodiscard]] bool is_synset(std::string_view text);

/// True for a name with control characters but a tab, which would garble logs and terminals; U+0080 to U+009F
/// are the second set.
[[nodiscard]] bool has_control(std::string_view name);

}  // namespace ei::inference
