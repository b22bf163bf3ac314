#pragma once

#include <vector>

#include "operator/api/reader.hpp"
#include "operator/schedule/entry.hpp"

namespace ei::api {

/// Reads `schedule` of `scaling`, and reports every fault to the reader.
void read_schedule(ObjectReader& scaling, std::vector<schedule::Entry>& entries);

}  // namespace ei::api
