// What the parts of the request's parser share: how a fault is told,
// and how a member is found. Not for others.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "dispatcher/contract/link/protocol.hpp"
#include "dispatcher/oip/document.hpp"
#include "runtime/core/result.hpp"

namespace ei::dispatcher::oip {

/// Numbers in one FP32 picture.
inline constexpr std::size_t kPictureNumbers = link::kTensorBytes / sizeof(float);

/// Invalid with http_status 400.
[[nodiscard]] inline Error bad(std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = 400;
  return error;
}

/// The member, or null where it is absent or null.
[[nodiscard]] inline boost::json::value const* member(boost::json::object const& object,
                                                      std::string_view name) {
  auto const* value = object.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

/// The member `name` of the object's "parameters", or null. `where`: "inputs[0]." or "" at the top.
[[nodiscard]] inline Result<boost::json::value const*> parameter(boost::json::object const& object,
                                                                 std::string_view name,
                                                                 std::string const& where) {
  auto const* parameters = member(object, "parameters");
  if (parameters == nullptr) return nullptr;
  if (!parameters->is_object()) {
    return bad(where + "parameters is " + quoted(parameters) + "; allowed: an object");
  }
  return member(parameters->get_object(), name);
}

}  // namespace ei::dispatcher::oip
