#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/parse.hpp"
#include "operator/api/service.hpp"
#include "runtime/core/address.hpp"

namespace ei::api {

/// Which PersistentVolumeClaims `pvc://` may name.
struct ClaimRule {
  enum class Kind { None, Labelled, Any } kind = Kind::None;
  std::string label;  ///< of Labelled: the key
  std::string value;  ///< of Labelled; empty: any value

  bool operator==(ClaimRule const&) const = default;
};

/// What an administrator lets the authors of InferenceServices ask for. An author needs no right but to write
/// that resource; what the operator then makes could be more than the author's own role allows. In lists `*`
/// means anything. The default is a cluster's.
struct Allowed {
  std::string worker_image;         ///< the operator's own default; always allowed
  std::vector<std::string> images;  ///< repositories or the beginnings of their paths; see image_matches()
  std::set<std::string, std::less<>> schemes{"https", "file", "pvc", "builtin"};
  std::vector<std::string> hosts{"*"};  ///< of https; patterns of host_matches()
  AllowedAddresses addresses;           ///< of https, as far as the URI itself spells them
  ClaimRule claims;
  std::vector<std::string> toleration_keys;
  bool prometheus_query = true;
  std::vector<std::string> webhook_hosts{"*"};  ///< of spec.scaling.webhook.url; patterns of host_matches()
  AllowedAddresses webhook_addresses;           ///< as far as the URL itself spells them
  /// Names of Services may lead to private addresses: `NAME.NAMESPACE.svc`.
  bool webhook_services = false;
  // From here on lists are of names, or of beginnings with a `*` behind them.
  std::vector<std::string> tls_secrets{"*"};
  std::vector<std::string> service_accounts;  ///< besides `default`
  std::string priority_class;                 ///< the operator's own; always allowed
  std::vector<std::string> priority_classes;
  std::vector<std::string> labels{"*"};       ///< besides what is reserved: is_reserved_label() and its like
  std::vector<std::string> annotations{"*"};  ///< likewise
  std::vector<std::string> env{"*"};          ///< likewise

  bool operator==(Allowed const&) const = default;
};

/// A user's own machine: all but what is refused everywhere.
[[nodiscard]] Allowed everything_allowed();

/// Whether an image lies under a prefix. A prefix ends where a path component, the repository's name or a
/// whole reference ends: `r.example/team` covers `r.example/team/x:1`, `r.example/team:1` and
/// `r.example/team@sha256:…`, and neither `r.example/team-evil/x` nor `r.example/team@evil`. One with a tag
/// or a digest covers that reference alone; a registry's name alone covers what lies in it. `*` covers all.
[[nodiscard]] bool image_matches(std::string_view prefix, std::string_view image);

/// Everything in a spec that is not allowed, each with the field, the value, what is allowed and who can
/// change that; and what nobody can allow: paths with `.` or `..`, TorchScript from the network without its
/// digest, addresses of metadata services, class names on another claim than the weights. Labelled claims are
/// not looked at: see claim_refusal().
[[nodiscard]] std::vector<FieldError> refusals(Spec const& spec, Allowed const& allowed);

/// The claims that a spec mounts, each with the field that names it first.
[[nodiscard]] std::map<std::string, std::string> claims_of(Spec const& spec);

/// Under Labelled: the refusal of one claim by its labels, or of one that does not exist (no labels).
[[nodiscard]] std::optional<FieldError> claim_refusal(
    ClaimRule const& rule, std::string const& field, std::string const& claim,
    std::optional<std::map<std::string, std::string>> const& labels);

/// `LABEL`, `LABEL=VALUE`, `*` or `none`. Errors: Invalid.
[[nodiscard]] Result<ClaimRule> parse_claim_rule(std::string_view text);

}  // namespace ei::api
