#pragma once

#include "operator/backend/kube/protocol/resource.hpp"
#include "tests/sim/api/storage.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ei::sim {

/// What was true when, and what each process can know of it. A process that acts on the newest version that
/// it was sent has done nothing wrong, however late it was sent; so a check asks what held from then on.
class Knowledge {
 public:
  void on_change(Kind const& kind, Change const& change);
  /// A watch of `process` has brought everything up to this version.
  void on_seen(std::string const& process, Kind const& kind, std::uint64_t version);

  /// The version up to which `process` knows this kind for sure; 0: nothing yet.
  std::uint64_t seen(std::string const& process, Kind const& kind) const;
  /// Every state that the object had from `from` to `to`, oldest first; null: there was none.
  std::vector<RevisionPtr> states(Kind const& kind, kube::ObjectKey const& key, std::uint64_t from,
                                  std::uint64_t to) const;
  /// Every state up to `to`, oldest first.
  std::vector<RevisionPtr> history(Kind const& kind, kube::ObjectKey const& key, std::uint64_t to) const {
    return states(kind, key, 0, to);
  }

 private:
  struct State {
    std::uint64_t version = 0;
    RevisionPtr object;
  };
  std::map<std::pair<std::string_view, kube::ObjectKey>, std::vector<State>> states_;
  std::map<std::pair<std::string, std::string_view>, std::uint64_t> seen_;
};

}  // namespace ei::sim
