#include "operator/backend/kube/children/link_keys.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace ei::kube {
namespace {

namespace json = boost::json;

/// RFC 7517 and RFC 7518, 6.2.1 and 6.3.1: what a public key is made of.
constexpr std::string_view kPublicMembers[] = {"kid", "kty", "use", "alg", "n", "e", "crv", "x", "y"};

}  // namespace

Result<std::string> link_keys_document(json::value const& discovery, json::value const& keys) {
  auto const issuer = string_or(discovery, "issuer");
  if (issuer.empty())
    return make_error(ErrorKind::Protocol, std::string(kDiscoveryPath) + " names no issuer");
  auto const* list = find_member(keys, "keys");
  if (list == nullptr || !list->is_array() || list->as_array().empty())
    return make_error(ErrorKind::Protocol, std::string(kKeysPath) + " lists no keys");
  std::vector<json::object> published;
  for (auto const& key : list->as_array()) {
    if (!key.is_object()) continue;
    json::object shown;
    for (auto const name : kPublicMembers) {
      if (auto const* member = key.as_object().if_contains(name)) shown[name] = *member;
    }
    published.push_back(std::move(shown));
  }
  std::stable_sort(published.begin(), published.end(),
                   [](json::object const& left, json::object const& right) {
                     return string_or(left, "kid") < string_or(right, "kid");
                   });
  return json::serialize(
      json::object{{"issuer", issuer}, {"keys", json::array(published.begin(), published.end())}});
}

}  // namespace ei::kube
