#pragma once

#include "operator/api/reader.hpp"
#include "operator/api/service.hpp"

namespace ei::api {

/// Reads `spec.scaling.webhook`, after the policy and the interval of `spec`.
void read_webhook(ObjectReader& scaling, Spec& spec);

}  // namespace ei::api
