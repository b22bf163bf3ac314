#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace ei::manifest {

/// The value of a plain (unquoted, untagged) scalar as kubectl reads it.
[[nodiscard]] boost::json::value plain_scalar(std::string_view text);

}  // namespace ei::manifest
