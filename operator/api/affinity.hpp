#pragma once

#include <boost/json/array.hpp>

#include "operator/api/reader.hpp"

namespace ei::api {

/// Faults of a pod's affinity, which is passed on as it is.
void check_affinity(ObjectReader affinity);

/// Faults of a pod's topologySpreadConstraints, which are passed on as they are.
void check_topology_spread(ObjectReader& reader, std::string_view name, boost::json::array const& items);

}  // namespace ei::api
