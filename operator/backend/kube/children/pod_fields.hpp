#pragma once

#include "operator/api/service.hpp"
#include "operator/backend/kube/children/children.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <string>

namespace ei::kube {

/// Puts into a pod's spec what a service says about its pods, and what the operator's own flags say. `own`:
/// the labels that select these pods; by them they are spread over nodes unless the service says otherwise.
void place_pods(boost::json::object& pod, boost::json::object own, api::Pods const& pods,
                ChildOptions const& options);

/// A container's `env`.
boost::json::array environment(api::Pods const& pods);

/// As a quantity: what a dispatcher may need at its fullest, or what is reserved for it, if that is more.
std::string memory_limit(std::string const& reserved, std::int64_t needed_mib);

}  // namespace ei::kube
