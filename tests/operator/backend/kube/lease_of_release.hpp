#pragma once

#include "operator/backend/kube/protocol/neighbours.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

#include <string>

namespace ei::kube {

/// The Lease of a release whose operator holds it from now on for `seconds`, and watches those namespaces.
inline void make_lease(MemoryApi& api, ObjectKey const& key, std::string const& watches, int seconds = 15) {
  boost::json::object metadata{
      {"name", key.name},
      {"labels", boost::json::object{{kOperatorLeaseLabel, kOperatorLease}}},
      {"annotations", boost::json::object{{kWatchesAnnotation, watches}}},
  };
  boost::json::object spec{{"holderIdentity", key.name + "-0"}, {"leaseDurationSeconds", seconds}};
  boost::json::object lease{{"apiVersion", api_version(kLeases)},
                            {"kind", kLeases.kind},
                            {"metadata", std::move(metadata)},
                            {"spec", std::move(spec)}};
  auto const made =
      api.send("POST", collection_path(kLeases, key.namespace_name), boost::json::serialize(lease));
  REQUIRE(made.status == 201);
  // Ages are told apart by the second.
  api.pass(2s);
}

}  // namespace ei::kube
