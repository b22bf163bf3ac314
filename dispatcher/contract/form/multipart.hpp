// multipart/form-data bodies (RFC 7578, RFC 2046 section 5.1). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::dispatcher {

/// A form with more parts than this was not written for us.
inline constexpr std::size_t kMaxParts = 32;
/// Headers of one part: a name, a file name and a type; as much as a whole request's headers.
inline constexpr std::size_t kMaxPartHeaderBytes = 8 * 1024;
/// RFC 2046: 1 to 70 characters.
inline constexpr std::size_t kMaxBoundaryBytes = 70;

struct Part {
  std::string name;  ///< of the field
  std::optional<std::string> filename;
  std::string content_type;  ///< lower-case, without parameters; empty where the part names none
  std::string_view data;     ///< into the body
  bool operator==(Part const&) const = default;
};

/// The parts in their order. What stands before the first and after the last delimiter is ignored.
/// Errors: Invalid, saying what is wrong and where.
[[nodiscard]] Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary);

}  // namespace ei::dispatcher
