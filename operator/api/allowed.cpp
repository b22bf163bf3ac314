#include "operator/api/allowed.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <charconv>

#include "operator/api/refuse.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/redact.hpp"

namespace ei::api {
namespace {

constexpr auto kNone = std::string_view::npos;

struct Parts {
  std::string_view scheme;
  std::string_view authority;  ///< a host with its port, or a claim
  std::string_view path;       ///< from its slash on, without query and fragment
};

Parts parts_of(std::string_view uri) {
  auto const mark = uri.find("://");
  if (mark == kNone) return {};
  auto const rest = uri.substr(mark + 3);
  auto const authority = rest.substr(0, rest.find_first_of("/?#"));
  auto const path = rest.substr(authority.size());
  return {uri.substr(0, mark), authority, path.substr(0, path.find_first_of("?#"))};
}

/// What is refused of a file's path, wherever it lies; empty: nothing.
std::string path_fault(std::string_view path) {
  auto const decoded = percent_decode(path);
  if (!decoded) return "must have %XX for every % in its path";
  if (decoded->find('\0') != std::string::npos) return "must have no zero byte in its path";
  std::string_view rest = *decoded;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    auto const part = rest.substr(0, rest.find('/'));
    if (part == "." || part == "..") return "must have no '.' or '..' in its path";
    rest.remove_prefix(part.size());
  }
  return {};
}

struct Place {
  std::string host;
  std::uint16_t port = 443;
};

/// Empty when the authority is none that a worker would take.
std::optional<Place> place_of(std::string_view authority, std::uint16_t port = 443) {
  Place place;
  place.port = port;
  auto const close = authority.starts_with('[') ? authority.find(']') : 0;
  if (authority.find('@') != kNone || close == kNone) return {};
  auto const colon = authority.find(':', close);
  place.host = close > 0 ? authority.substr(1, close - 1) : authority.substr(0, colon);
  if (colon == kNone) return place.host.empty() ? std::nullopt : std::optional(place);
  auto const digits = authority.substr(colon + 1);
  auto const [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), place.port);
  bool const number = failed == std::errc() && end == digits.data() + digits.size() && place.port != 0;
  return number && !place.host.empty() ? std::optional(place) : std::nullopt;
}

/// Which hosts a field may name, and what the administrator's values for them are called.
struct HostRule {
  std::vector<std::string> const& hosts;
  AllowedAddresses const& addresses;
  char const* never;        ///< what is not done even if it is allowed
  char const* not_allowed;  ///< why an address of its kind is refused
  char const* address_flag;
  char const* address_value;
  char const* host_flag;
  char const* host_value;
};

/// Why the rule refuses a place; empty: it does not.
std::string host_fault(Place const& place, HostRule const& rule) {
  auto const kind = kind_of_host(place.host);
  auto const its_host = kind ? "its host is " + std::string(to_string(*kind)) : std::string();
  if (kind == AddressKind::Never) return its_host + rule.never;
  if (kind && !rule.addresses.admit(*kind))
    return its_host + rule.not_allowed + administrator(rule.address_flag, rule.address_value);
  if (!rule.hosts.empty() && host_allowed(rule.hosts, place.host, place.port)) return {};
  return (rule.hosts.empty() ? "no host is allowed" : "allowed hosts are " + listed(rule.hosts)) +
         administrator(rule.host_flag, rule.host_value);
}

std::optional<FieldError> refused_place(std::string const& field, std::string const& uri,
                                        Allowed const& allowed) {
  auto const place = place_of(parts_of(uri).authority);
  if (!place)
    return forbidden(field, display_url(uri),
                     "must have a host, perhaps a port from 1 to 65535, and no user info");
  auto const fault =
      host_fault(*place, {allowed.hosts, allowed.addresses, ", from which nothing is ever loaded",
                          ", and only public ones are allowed", "--allow-model-address",
                          "allow.modelAddresses", "--allow-model-host", "allow.modelHosts"});
  return fault.empty() ? std::nullopt : std::optional(forbidden(field, display_url(uri), fault));
}

/// What both URIs have in common.
std::optional<FieldError> refused_uri(std::string const& field, std::string const& uri,
                                      Allowed const& allowed) {
  if (uri.empty()) return {};
  auto const [scheme, authority, path] = parts_of(uri);
  if (!allowed.schemes.contains(scheme)) {
    return forbidden(field, display_url(uri),
                     "allowed schemes are " + listed(allowed.schemes) +
                         administrator("--allow-model-scheme", "allow.modelSchemes"));
  }
  if (scheme == "https") return refused_place(field, uri, allowed);
  if (scheme == "builtin") return {};
  if (auto const fault = path_fault(path); !fault.empty())
    return FieldError{field, "Invalid value: " + in_quotes(display_url(uri)) + ": " + fault};
  if (scheme == "pvc" && allowed.claims.kind == ClaimRule::Kind::None) {
    return forbidden(field, display_url(uri),
                     "no PersistentVolumeClaim is allowed" + administrator("--allow-claim", "allow.claims"));
  }
  return {};
}

/// A file that by its name is a program, from a network, with nothing that says which one is meant. The
/// worker looks at the content of all others.
bool is_unchecked_program(Model const& model) {
  auto const [scheme, authority, path] = parts_of(model.uri);
  return scheme == "https" && model.sha256.empty() && (path.ends_with(".pt") || path.ends_with(".PT"));
}

void refuse_model(Model const& model, Allowed const& allowed, std::vector<FieldError>& errors) {
  auto const uri = refused_uri("spec.model.uri", model.uri, allowed);
  if (uri) {
    errors.push_back(*uri);
  } else if (is_unchecked_program(model)) {
    errors.push_back({"spec.model.sha256", "Required value: " + in_quotes(display_url(model.uri)) +
                                               " is TorchScript by its name, which is a program: from the "
                                               "network it is run only with its SHA-256"});
  }
  auto const labels = refused_uri("spec.model.labels", model.labels, allowed);
  if (labels) {
    errors.push_back(*labels);
    return;
  }
  auto const names = parts_of(model.labels);
  auto const weights = parts_of(model.uri);
  bool const same_claim = weights.scheme == "pvc" && weights.authority == names.authority;
  if (names.scheme == "pvc" && !same_claim) {
    errors.push_back(
        {"spec.model.labels", "Invalid value: " + in_quotes(display_url(model.labels)) +
                                  ": must be on the claim of spec.model.uri: a worker mounts one"});
  }
}

void refuse_image(std::string const& image, Allowed const& allowed, std::vector<FieldError>& errors) {
  if (image.empty() || (image == allowed.worker_image)) return;
  bool const fine = std::any_of(allowed.images.begin(), allowed.images.end(),
                                [&](auto const& prefix) { return image_matches(prefix, image); });
  if (fine) return;
  auto const own = allowed.worker_image.empty() ? std::string("the operator's own")
                                                : allowed.worker_image + ", the operator's own";
  errors.push_back(forbidden(
      "spec.worker.image", image,
      "allowed is " + own + (allowed.images.empty() ? "" : ", and images under " + listed(allowed.images)) +
          administrator("--allow-image", "allow.images")));
}

void refuse_webhook(Webhook const& webhook, Allowed const& allowed, std::vector<FieldError>& errors) {
  constexpr char const* kField = "spec.scaling.webhook.url";
  auto const parts = parts_of(webhook.url);
  auto const place = place_of(parts.authority, parts.scheme == "http" ? 80 : 443);
  if (!place) return;  // the parser has told
  auto const fault = host_fault(
      *place, {allowed.webhook_hosts, allowed.webhook_addresses, ", to which nothing is ever posted",
               ", and it is not among the allowed ones", "--allow-webhook-address", "allow.webhookAddresses",
               "--allow-webhook-host", "allow.webhookHosts"});
  if (!fault.empty()) errors.push_back(forbidden(kField, display_url(webhook.url), fault));
}

}  // namespace

Allowed everything_allowed() {
  Allowed allowed;
  allowed.images = {"*"};
  allowed.addresses = {true, true};
  allowed.webhook_addresses = {true, true};
  allowed.claims.kind = ClaimRule::Kind::Any;
  allowed.toleration_keys = {"*"};
  allowed.service_accounts = {"*"};
  allowed.priority_classes = {"*"};
  return allowed;
}

std::vector<FieldError> refusals(Spec const& spec, Allowed const& allowed) {
  std::vector<FieldError> errors;
  refuse_model(spec.model, allowed, errors);
  refuse_image(spec.worker.image, allowed, errors);
  refuse_secret(spec.dispatcher.tls.secret_name, allowed, errors);
  refuse_pods("spec.worker", spec.worker.pods, allowed, errors);
  refuse_pods("spec.dispatcher", spec.dispatcher.pods, allowed, errors);
  for (auto const& webhook : spec.webhook) refuse_webhook(webhook, allowed, errors);
  if (!spec.prometheus_query.empty() && !allowed.prometheus_query) {
    errors.push_back({"spec.scaling.prometheusQuery",
                      "Forbidden: queries are switched off; an administrator can allow them without the "
                      "operator's --no-prometheus-query (the chart's allow.prometheusQuery)"});
  }
  return errors;
}

std::map<std::string, std::string> claims_of(Spec const& spec) {
  std::map<std::string, std::string> claims;
  auto const add = [&](std::string_view uri, char const* field) {
    auto const [scheme, authority, path] = parts_of(uri);
    if (scheme == "pvc") claims.emplace(authority, field);
  };
  add(spec.model.uri, "spec.model.uri");
  add(spec.model.labels, "spec.model.labels");
  return claims;
}

std::optional<FieldError> claim_refusal(ClaimRule const& rule, std::string const& field,
                                        std::string const& claim,
                                        std::optional<std::map<std::string, std::string>> const& labels) {
  if (rule.kind != ClaimRule::Kind::Labelled) return {};
  if (!labels) return forbidden(field, claim, "there is no PersistentVolumeClaim of this name");
  auto const found = labels->find(rule.label);
  if (found != labels->end() && (rule.value.empty() || found->second == rule.value)) return {};
  return forbidden(
      field, claim,
      "allowed are PersistentVolumeClaims with the label " + rule.label +
          (rule.value.empty() ? "" : "=" + rule.value) +
          "; whoever may change the claim can label it, and an administrator can allow another label "
          "with the operator's --allow-claim (the chart's allow.claims)");
}

Result<ClaimRule> parse_claim_rule(std::string_view text) {
  if (text == "none") return ClaimRule{};
  if (text == "*") return ClaimRule{ClaimRule::Kind::Any, {}, {}};
  auto const equal = text.find('=');
  auto const key = text.substr(0, equal);
  auto const value = equal == kNone ? std::string_view{} : text.substr(equal + 1);
  auto const fits = [](std::string_view word, std::string_view more) {
    return std::all_of(word.begin(), word.end(), [&](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             more.find(c) != kNone;
    });
  };
  // A value that is written and empty would allow every value.
  bool const fine =
      !key.empty() && fits(key, "-_./") && fits(value, "-_.") && (equal == kNone || !value.empty());
  if (fine) return ClaimRule{ClaimRule::Kind::Labelled, std::string(key), std::string(value)};
  return make_error(ErrorKind::Invalid, "'" + std::string(text) +
                                            "': allowed are LABEL, LABEL=VALUE, * for every claim, and none");
}

}  // namespace ei::api
