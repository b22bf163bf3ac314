#include "tests/sim/run/knowledge.hpp"

#include "tests/sim/api/members.hpp"

#include <algorithm>

namespace ei::sim {

void Knowledge::on_change(Kind const& kind, Change const& change) {
  // Of the others nobody asks; pods change often.
  if (!kind.owned_fields) return;
  auto const& object = change.after->object;
  kube::ObjectKey const key{text_of(object, "metadata.namespace"), text_of(object, "metadata.name")};
  states_[{kind.type.plural, key}].push_back({change.version, change.removed ? nullptr : change.after});
}

void Knowledge::on_seen(std::string const& process, Kind const& kind, std::uint64_t version) {
  auto& seen = seen_[{process, kind.type.plural}];
  seen = std::max(seen, version);
}

std::uint64_t Knowledge::seen(std::string const& process, Kind const& kind) const {
  auto const found = seen_.find({process, kind.type.plural});
  return found == seen_.end() ? 0 : found->second;
}

std::vector<RevisionPtr> Knowledge::states(Kind const& kind, kube::ObjectKey const& key, std::uint64_t from,
                                           std::uint64_t to) const {
  std::vector<RevisionPtr> held{nullptr};
  auto const found = states_.find({kind.type.plural, key});
  if (found == states_.end()) return held;
  for (auto const& state : found->second) {
    if (state.version > to) break;
    if (state.version <= from) held.clear();
    held.push_back(state.object);
  }
  return held;
}

}  // namespace ei::sim
