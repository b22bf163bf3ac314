#pragma once

#include <string>

#include "operator/api/service.hpp"
#include "operator/show/table.hpp"

namespace ei::show {

/// A service's row in the table. `endpoint`: where requests go; empty while unknown.
[[nodiscard]] Row row_of(api::ServiceKey const& key, api::Status const& status,
                         std::string const& endpoint = {});

}  // namespace ei::show
