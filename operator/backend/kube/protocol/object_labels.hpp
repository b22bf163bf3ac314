#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ei::kube {

/// An object's labels, in the order of their keys. The keys are literals or interned: thousands of objects
/// have the same few.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

/// The same text with the life time of the program. Only for what comes from a small set.
std::string_view intern(std::string_view text);

/// The value of a label, or null; `labels` is ordered by key.
std::string const* find_label(Labels const& labels, std::string_view key);

}  // namespace ei::kube
