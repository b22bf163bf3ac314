#pragma once

#include <map>
#include <string>
#include <string_view>

#include "operator/api/reader.hpp"
#include "operator/api/service.hpp"

namespace ei::api {

/// Reads what `spec.dispatcher` and `spec.worker` have in common. Whatever it lets pass an API server takes
/// in a Deployment, so that no child is refused for it.
void read_pods(ObjectReader& reader, Pods& pods);

/// A map that ends as labels, or as a selector of them, in an object that the API server checks.
void read_labels(ObjectReader& reader, std::string_view name, std::map<std::string, std::string>& target);

}  // namespace ei::api
