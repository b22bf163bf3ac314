#pragma once

#include "runtime/core/result.hpp"

#include <boost/json/value.hpp>

#include <string>

namespace ei::kube {

/// Where an API server publishes how its service account tokens are checked (OpenID Connect Discovery 1.0).
inline constexpr std::string_view kDiscoveryPath = "/.well-known/openid-configuration";
inline constexpr std::string_view kKeysPath = "/openid/v1/jwks";

/// `{"issuer": URL, "keys": [JWK …]}` of the two answers, with the keys in one order for every server: only
/// their public members, so equal keys give equal text. Errors: Protocol, where an answer lacks its part.
Result<std::string> link_keys_document(boost::json::value const& discovery, boost::json::value const& keys);

}  // namespace ei::kube
