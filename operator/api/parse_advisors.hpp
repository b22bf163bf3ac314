#pragma once

#include "operator/api/reader.hpp"
#include "operator/api/service.hpp"

namespace ei::api {

/// Reads `spec.scaling.advisors`; `prometheusQuery` has been read.
void read_advisors(ObjectReader& scaling, Spec& spec);

}  // namespace ei::api
