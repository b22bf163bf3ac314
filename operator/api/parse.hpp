#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/service.hpp"

namespace ei::api {

/// One fault of an object, worded as the API server words its own.
struct FieldError {
  std::string path;     ///< `spec.scaling.minReplicas`
  std::string message;  ///< `Invalid value: 0: must be between 1 and 1000`

  bool operator==(FieldError const&) const = default;
};

/// `path: message`.
[[nodiscard]] std::string to_string(FieldError const& error);
/// All of them, separated by `; `.
[[nodiscard]] std::string to_string(std::vector<FieldError> const& errors);

enum class UnknownFields {
  Reject,  ///< as `kubectl apply --validate=strict`
  Ignore,  ///< for objects an API server returns: a newer CRD may know more fields than this program
};

/// Either a service or every fault that was found.
struct Parsed {
  std::optional<InferenceService> service;  ///< set exactly when `errors` is empty
  std::vector<FieldError> errors;
};

/// Reads an InferenceService, fills in defaults and checks every limit of `limits.hpp`.
/// Durations are written as `150s`, `1m30s`, `0s`; cpu as a number or a quantity.
[[nodiscard]] Parsed parse_service(boost::json::value const& value,
                                   UnknownFields unknown = UnknownFields::Reject);

/// Reads what can be read of `metadata`, also of an object whose spec is invalid.
[[nodiscard]] Metadata metadata_from_json(boost::json::value const& object);

/// The whole object in the API's form, defaults written out. `parse_service` reads it back to an equal value.
[[nodiscard]] boost::json::object to_json(InferenceService const& service);
[[nodiscard]] boost::json::object to_json(Spec const& spec);

}  // namespace ei::api
