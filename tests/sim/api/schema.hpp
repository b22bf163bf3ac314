#pragma once

#include "operator/backend/kube/protocol/resource.hpp"

#include <boost/json/value.hpp>

#include <string_view>
#include <vector>

namespace ei::sim {

/// What the server in memory knows of one kind.
struct Kind {
  kube::ResourceType type;
  bool has_status =
      false;  ///< `status` is written by the subresource alone, and `generation` counts the rest
  bool has_scale = false;
  /// A PUT without a resourceVersion writes whatever is there; else it is refused with 422.
  bool unguarded_update = true;
  bool create_on_update = false;  ///< a PUT of a missing object makes it
  /// Who owns which field is kept: server-side apply needs it. Kinds that nobody applies do without.
  bool owned_fields = false;
  bool graceful = false;  ///< a DELETE leaves it until its node has ended it
};

/// The kind at `/apis/GROUP/VERSION/PLURAL`; null where it is not served.
Kind const* find_kind(std::string_view group, std::string_view version, std::string_view plural);
Kind const& kind_of(kube::ResourceType const& type);
std::vector<Kind> const& kinds();

/// How server-side apply takes the value of a member called `name`.
struct Merge {
  enum class How {
    Granular,  ///< a map, member by member
    Atomic,    ///< as one value
    ByKeys,    ///< a list whose items are told apart by `keys`
    Set,       ///< a list of scalars
  };
  How how = How::Atomic;
  std::vector<std::string_view> keys = {};
};

/// By the x-kubernetes-list-type and -map-type of the kinds above. `value` tells the ports of a container
/// from the ports of a Service.
Merge merge_of(std::string_view name, boost::json::value const& value);

}  // namespace ei::sim
