#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <string_view>

namespace ei::kube {

/// The part of a live object that `field_manager` owns through server-side apply, by metadata.managedFields
/// (structured-merge-diff's fieldsV1): what client-go's Extract functions give. Another manager's change to
/// one of these fields takes it away from us, so the result differs from what was applied exactly when there
/// is drift, and what the server or others added never shows. Null when the manager owns nothing.
boost::json::value extract_owned(boost::json::object const& live, std::string_view field_manager);

/// A digest (FNV-1a, 64 bit) that does not depend on the order of members; identity (apiVersion, kind,
/// metadata.name, metadata.namespace) is left out, since managedFields never names it. Never 0.
std::uint64_t owned_digest(boost::json::value const& owned);

}  // namespace ei::kube
