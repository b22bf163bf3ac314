#pragma once

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei {

/// Parses one JSON document (RFC 8259, at most 32 levels deep: Boost.JSON's default).
/// Errors: Invalid, with the offset of the fault.
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text);

/// The value as one line of JSON. Like boost::json::serialize, but with numbers as people write them: the
/// shortest digits that read back the same (`12.5`, not `1.25E1`), and null for what JSON
/// cannot say (NaN, infinities).
[[nodiscard]] std::string to_json_text(boost::json::value const& value);

/// The member at `path` (`"status.queue.depth"`; no array steps), or null where any step is missing or no
/// object. The pointer lives as long as `root` is unchanged.
[[nodiscard]] boost::json::value const* find_member(boost::json::value const& root, std::string_view path);

/// The string at `path`, or `otherwise` where it is missing or no string. The view lives as long as `root`.
[[nodiscard]] std::string_view string_or(boost::json::value const& root, std::string_view path,
                                         std::string_view otherwise = {});

}  // namespace ei
