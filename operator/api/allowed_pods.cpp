#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "operator/api/refuse.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

/// A name, or a beginning with a `*` behind it.
bool matches_any(std::vector<std::string> const& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
  });
}

/// A kind of name that an administrator lists.
struct Kind {
  std::string_view none;   ///< `no Secret is allowed`
  std::string_view those;  ///< `allowed Secrets are `
  std::string_view flag;
  std::string_view value;
};

void refuse_name(Kind const& kind, std::vector<std::string> const& patterns, std::string field,
                 std::string_view name, std::vector<FieldError>& errors) {
  if (matches_any(patterns, name)) return;
  auto const why = patterns.empty() ? std::string(kind.none) : std::string(kind.those) + listed(patterns);
  errors.push_back(forbidden(std::move(field), name, why + administrator(kind.flag, kind.value)));
}

void refuse_tolerations(std::string const& place, json::value const& tolerations, Allowed const& allowed,
                        std::vector<FieldError>& errors) {
  auto const& keys = allowed.toleration_keys;
  if (!tolerations.is_array() || std::find(keys.begin(), keys.end(), "*") != keys.end()) return;
  std::size_t at = 0;
  for (auto const& item : tolerations.get_array()) {
    auto const* object = item.if_object();
    auto const* member = object ? object->if_contains("key") : nullptr;
    auto const* text = member ? member->if_string() : nullptr;
    std::string const key = text ? std::string(text->data(), text->size()) : std::string();
    // One without a key tolerates every taint.
    bool const fine = !key.empty() && std::find(keys.begin(), keys.end(), key) != keys.end();
    auto const field = place + "[" + std::to_string(at++) + "].key";
    if (fine) continue;
    errors.push_back(
        forbidden(field, key,
                  (keys.empty() ? "no toleration is allowed" : "allowed keys are " + listed(keys)) +
                      administrator("--allow-toleration", "allow.tolerations")));
  }
}

constexpr Kind kAccounts{"allowed is default alone", "allowed are default, ", "--allow-service-account",
                         "allow.serviceAccounts"};
constexpr Kind kClasses{"no PriorityClass is allowed", "allowed PriorityClasses are ",
                        "--allow-priority-class", "allow.priorityClasses"};
constexpr Kind kLabels{"no label is allowed", "allowed labels are ", "--allow-label", "allow.labels"};
constexpr Kind kAnnotations{"no annotation is allowed", "allowed annotations are ", "--allow-annotation",
                            "allow.annotations"};
constexpr Kind kEnv{"no variable is allowed", "allowed variables are ", "--allow-env", "allow.env"};
constexpr Kind kSecrets{"no Secret is allowed", "allowed Secrets are ", "--allow-tls-secret",
                        "allow.tlsSecrets"};

}  // namespace

std::string administrator(std::string_view flag, std::string_view value) {
  return "; an administrator can allow it with the operator's " + std::string(flag) + " (the chart's " +
         std::string(value) + ")";
}

std::string in_quotes(std::string_view text) {
  return json::serialize(json::value(json::string_view(text.data(), text.size())));
}

FieldError forbidden(std::string field, std::string_view value, std::string const& why) {
  return {std::move(field), "Forbidden: " + in_quotes(value) + ": " + why};
}

void refuse_pods(std::string const& field, Pods const& pods, Allowed const& allowed,
                 std::vector<FieldError>& errors) {
  refuse_tolerations(field + ".tolerations", pods.tolerations, allowed, errors);
  if (!pods.service_account.empty() && pods.service_account != "default")
    refuse_name(kAccounts, allowed.service_accounts, field + ".serviceAccountName", pods.service_account,
                errors);
  if (!pods.priority_class.empty() && pods.priority_class != allowed.priority_class)
    refuse_name(kClasses, allowed.priority_classes, field + ".priorityClassName", pods.priority_class,
                errors);
  for (auto const& [key, value] : pods.labels)
    refuse_name(kLabels, allowed.labels, field + ".labels", key, errors);
  for (auto const& [key, value] : pods.annotations)
    refuse_name(kAnnotations, allowed.annotations, field + ".annotations", key, errors);
  std::size_t at = 0;
  for (auto const& variable : pods.env)
    refuse_name(kEnv, allowed.env, field + ".env[" + std::to_string(at++) + "].name", variable.name, errors);
}

void refuse_secret(std::string const& name, Allowed const& allowed, std::vector<FieldError>& errors) {
  if (!name.empty())
    refuse_name(kSecrets, allowed.tls_secrets, "spec.dispatcher.tls.secretName", name, errors);
}

}  // namespace ei::api
