#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/service.hpp"

// What the model's URLs do not show (uriQuerySecret, labelsQuerySecret): how a worker's pod gets it.
namespace ei::kube {

inline constexpr std::string_view kQueriesDirectory = "/var/run/elastic-inference/queries";

/// The pod's volume `queries`, which may be of two Secrets; none where the URLs are whole. Pure.
[[nodiscard]] std::optional<boost::json::object> queries_volume(api::Model const& model);

/// The worker's flags that name its files. Pure.
[[nodiscard]] std::vector<std::string> query_arguments(api::Model const& model);

}  // namespace ei::kube
