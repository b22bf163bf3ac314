#include "operator/backend/kube/protocol/object_labels.hpp"

#include <algorithm>
#include <set>

namespace ei::kube {

std::string_view intern(std::string_view text) {
  static std::set<std::string, std::less<>> known;
  auto found = known.find(text);
  if (found == known.end()) found = known.emplace(text).first;
  return *found;
}

std::string const* find_label(Labels const& labels, std::string_view key) {
  auto const at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](auto const& label, std::string_view wanted) { return label.first < wanted; });
  return at != labels.end() && at->first == key ? &at->second : nullptr;
}

}  // namespace ei::kube
