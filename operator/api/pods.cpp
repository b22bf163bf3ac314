#include "operator/api/pods.hpp"

#include <algorithm>

#include "operator/api/affinity.hpp"
#include "operator/api/label.hpp"
#include "operator/api/limits.hpp"
#include "operator/api/names.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

void check_size(ObjectReader& reader, std::string_view name, std::size_t size, std::size_t most) {
  if (size <= most) return;
  reader.fail(name,
              "Too many: " + std::to_string(size) + ": must have at most " + std::to_string(most) + " items");
}

void check_toleration(ObjectReader toleration) {
  std::string text;
  std::string_view word;
  std::string_view effect;
  std::int64_t seconds = 0;
  toleration.read("key", text);
  if (!text.empty() && !is_label_name(text))
    toleration.fail("key", invalid_value(json::value(text), "a taint's key, such as gpu or example.com/gpu"));
  bool const every = text.empty();
  toleration.read("operator", word, {{"Equal", "Equal"}, {"Exists", "Exists"}});
  text.clear();
  toleration.read("value", text);
  if (!is_label_value(text)) {
    toleration.fail("value", invalid_value(json::value(text),
                                           "a taint's value: at most 63 letters, digits, '-', '_' and '.', "
                                           "with a letter or digit at both ends"));
  }
  toleration.read("effect", effect,
                  {{"", ""},
                   {"NoSchedule", "NoSchedule"},
                   {"PreferNoSchedule", "PreferNoSchedule"},
                   {"NoExecute", "NoExecute"}});
  toleration.read("tolerationSeconds", seconds);
  // These three are the API server's own rules of a pod.
  if (every && word != "Exists")
    toleration.fail("operator", "Invalid value: must be Exists where there is no key");
  if (word == "Exists" && !text.empty())
    toleration.fail("value", "Invalid value: must be empty with operator Exists");
  if (toleration.has("tolerationSeconds") && effect != "NoExecute")
    toleration.fail("tolerationSeconds", "Invalid value: must have effect NoExecute beside it");
  toleration.finish();
}

void read_env(ObjectReader& reader, std::vector<EnvironmentVariable>& target) {
  auto const* items = reader.array("env", {0, kMaxEnv});
  if (!items) return;
  for (auto const& item : *items) {
    auto variable = reader.item("env", target.size(), item);
    EnvironmentVariable each;
    variable.read("name", each.name);
    variable.read("value", each.value, kMaxEnvValueLength);
    if (!is_env_name(each.name)) {
      variable.fail("name", invalid_value(json::value(each.name),
                                          "1 to 128 letters, digits and '_', and begin with no digit"));
    } else if (is_reserved_env(each.name)) {
      variable.fail("name", invalid_value(json::value(each.name), kNoReservedEnv));
    }
    if (each.value.find('\0') != std::string::npos)
      variable.fail("value", invalid_value(json::value(each.value), "without zero bytes"));
    bool const twice =
        std::any_of(target.begin(), target.end(), [&](auto const& other) { return other.name == each.name; });
    if (twice) variable.fail("name", "Duplicate value: \"" + each.name + "\"");
    variable.finish();
    target.push_back(std::move(each));
  }
}

void read_pull_secrets(ObjectReader& reader, std::vector<std::string>& target) {
  auto const* items = reader.array("imagePullSecrets", {0, kMaxPullSecrets});
  if (!items) return;
  for (auto const& item : *items) {
    auto secret = reader.item("imagePullSecrets", target.size(), item);
    std::string name;
    secret.read("name", name);
    if (!is_dns_subdomain(name)) secret.fail("name", invalid_value(json::value(name), kSecretName));
    if (std::find(target.begin(), target.end(), name) != target.end())
      secret.fail("name", "Duplicate value: \"" + name + "\"");
    secret.finish();
    target.push_back(std::move(name));
  }
}

void read_object_name(ObjectReader& reader, std::string_view name, std::string& target) {
  reader.read(name, target);
  if (target.empty() || is_dns_subdomain(target)) return;
  reader.fail(name, invalid_value(json::value(target),
                                  "at most 253 lower-case letters, digits, '-' and '.', a letter or digit at "
                                  "both ends of each part"));
}

void check_own_words(ObjectReader& reader, Pods const& pods) {
  check_size(reader, "labels", pods.labels.size(), kMaxLabels);
  for (auto const& [key, value] : pods.labels) {
    if (is_reserved_label(key)) reader.fail("labels", invalid_value(json::value(key), kNoReservedLabel));
  }
  check_size(reader, "annotations", pods.annotations.size(), kMaxAnnotations);
  for (auto const& [key, value] : pods.annotations) {
    if (!is_label_name(key)) {
      reader.fail("annotations",
                  invalid_value(json::value(key), "an annotation's name, such as team or example.com/team"));
    } else if (is_reserved_annotation(key)) {
      reader.fail("annotations", invalid_value(json::value(key), kNoReservedAnnotation));
    }
    if (characters_of(value) > kMaxAnnotationLength) {
      reader.fail("annotations." + key,
                  invalid_value(json::value(value),
                                "at most " + std::to_string(kMaxAnnotationLength) + " characters"));
    }
  }
}

}  // namespace

void read_labels(ObjectReader& reader, std::string_view name, std::map<std::string, std::string>& target) {
  reader.read(name, target);
  for (auto const& [key, value] : target) {
    if (!is_label_name(key)) {
      reader.fail(name, invalid_value(json::value(key), "a label's name, such as disk or example.com/disk"));
    } else if (!is_label_value(value)) {
      reader.fail(name, invalid_value(json::value(value),
                                      "a label's value: at most 63 letters, digits, '-', '_' and '.', with a "
                                      "letter or digit at both ends"));
    }
  }
}

void read_pods(ObjectReader& reader, Pods& pods) {
  read_labels(reader, "labels", pods.labels);
  reader.read("annotations", pods.annotations);
  check_own_words(reader, pods);
  read_env(reader, pods.env);
  read_object_name(reader, "serviceAccountName", pods.service_account);
  read_object_name(reader, "priorityClassName", pods.priority_class);
  read_pull_secrets(reader, pods.image_pull_secrets);
  read_labels(reader, "nodeSelector", pods.node_selector);
  check_size(reader, "nodeSelector", pods.node_selector.size(), kMaxNodeLabels);
  if (auto const* items = reader.array("tolerations", {0, kMaxTolerations})) {
    pods.tolerations = *items;
    std::size_t at = 0;
    for (auto const& item : *items) check_toleration(reader.item("tolerations", at++, item));
  }
  if (reader.has("affinity")) {
    auto const& value = *reader.take("affinity");
    pods.affinity = value;
    check_affinity(reader.object("affinity"));
  } else {
    reader.take("affinity");
  }
  if (auto const* items = reader.array("topologySpreadConstraints", {0, kMaxSpreads})) {
    pods.topology_spread = *items;
    check_topology_spread(reader, "topologySpreadConstraints", *items);
  }
}

}  // namespace ei::api
