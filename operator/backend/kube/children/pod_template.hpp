#pragma once

#include "operator/api/service.hpp"
#include "operator/backend/kube/children/children.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace ei::kube {

/// The labels that select a component's pods.
boost::json::object selector_labels(std::string const& service, std::string_view component);
/// These, and those that every child carries.
boost::json::object child_labels(std::string const& service, std::string_view component);

/// The name of the keys' file in their ConfigMap.
inline constexpr std::string_view kLinkKeysFile = "keys.json";

/// Pod templates that pass the restricted Pod Security Standard. A worker shows a token that its kubelet has
/// signed for this link alone; a dispatcher checks it against the keys of link_keys().
boost::json::object dispatcher_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                            ChildOptions const& options);
boost::json::object worker_pod_template(api::Metadata const& owner, api::Spec const& spec,
                                        ChildOptions const& options);

/// Of one of these: the value of its kTemplateAnnotation, which is the same exactly for equal templates.
std::string template_digest(boost::json::object const& pod_template);

}  // namespace ei::kube
