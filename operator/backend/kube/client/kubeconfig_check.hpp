#pragma once

#include "operator/backend/kube/client/kubeconfig.hpp"

#include <string>

namespace ei::kube {

// What in an entry can never work, with its field; empty: nothing. A program that waits for it to get better
// would wait for ever. Reads the files that an entry names where its own file is known.

std::string cluster_fault(Kubeconfig::Cluster const& cluster);
std::string user_fault(Kubeconfig::User const& user);

}  // namespace ei::kube
