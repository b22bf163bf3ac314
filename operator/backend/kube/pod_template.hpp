#pragma once

#include "operator/api/service.hpp"
#include "operator/backend/kube/children.hpp"

#include <boost/json/object.hpp>

namespace ei::kube {

/// The labels that select a component's pods.
boost::json::object selector_labels(std::string const& service, std::string_view component);
/// These, and those that every child carries.
boost::json::object child_labels(std::string const& service, std::string_view component);

/// Pod templates that pass the restricted Pod Security Standard. `token_uid` is the UID of the Secret with
/// the link token: both programs read it once, so a Secret that is made anew must bring new pods on both
/// sides.
boost::json::object dispatcher_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                            std::string const& token_uid, ChildOptions const& options);
boost::json::object worker_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                        std::string const& token_uid, ChildOptions const& options);

}  // namespace ei::kube
