#include "operator/api/affinity.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "operator/api/label.hpp"
#include "operator/api/limits.hpp"
#include "operator/api/names.hpp"
#include "operator/api/pods.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

using Words = std::initializer_list<std::pair<std::string_view, std::string_view>>;

constexpr std::string_view kLabelName = "a label's name, such as disk or example.com/disk";
constexpr std::string_view kLabelValue =
    "a label's value: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";

/// A text that must be there and fit.
template <class Fits>
std::string required(ObjectReader& reader, std::string_view name, Fits fits, std::string_view must) {
  std::string text;
  reader.read(name, text);
  if (!reader.has(name)) {
    reader.fail(name, "Required value: " + std::string(must));
  } else if (!fits(text)) {
    reader.fail(name, invalid_value(json::value(text), must));
  }
  return text;
}

template <class Each>
std::size_t each_item(ObjectReader& reader, std::string_view name, Range<std::size_t> length, Each each) {
  auto const* items = reader.array(name, length);
  if (!items) return 0;
  std::size_t at = 0;
  for (auto const& item : *items) each(reader.item(name, at++, item));
  return items->size();
}

template <class Fits>
std::size_t each_text(ObjectReader& reader, std::string_view name, std::size_t most, Fits fits,
                      std::string_view must) {
  auto const* items = reader.array(name, {0, most});
  if (!items) return 0;
  std::size_t at = 0;
  for (auto const& item : *items) {
    auto const place = std::string(name) + "[" + std::to_string(at++) + "]";
    auto const* text = item.if_string();
    if (!text || !fits(std::string_view(text->data(), text->size())))
      reader.fail(place, invalid_value(item, must));
  }
  return items->size();
}

bool is_whole_number(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWholeNumberDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view operator_of(ObjectReader& reader, Words const& words) {
  std::string_view word;
  reader.read("operator", word, words);
  if (!reader.has("operator")) reader.fail("operator", "Required value: how the values are compared");
  return word;
}

/// In and NotIn want values, Exists and DoesNotExist none, Gt and Lt one whole number.
void check_requirement(ObjectReader requirement, Words const& words) {
  required(requirement, "key", is_label_name, kLabelName);
  auto const compared = operator_of(requirement, words);
  bool const number = compared == "Gt" || compared == "Lt";
  auto const count = number
                         ? each_text(requirement, "values", kMaxSelectorValues, is_whole_number,
                                     "a whole number of at most 18 digits")
                         : each_text(requirement, "values", kMaxSelectorValues, is_label_value, kLabelValue);
  auto const must = [&](bool fine, std::string_view what) {
    if (!fine)
      requirement.fail("values", "Invalid value: " + std::to_string(count) + " items: " + std::string(what));
  };
  if (number) must(count == 1, "must be one for Gt and Lt");
  if (compared == "In" || compared == "NotIn") must(count > 0, "must be at least one for In and NotIn");
  if (compared == "Exists" || compared == "DoesNotExist")
    must(count == 0, "must be none for Exists and DoesNotExist");
  requirement.finish();
}

void check_node_requirement(ObjectReader requirement) {
  check_requirement(std::move(requirement), {{"In", "In"},
                                             {"NotIn", "NotIn"},
                                             {"Exists", "Exists"},
                                             {"DoesNotExist", "DoesNotExist"},
                                             {"Gt", "Gt"},
                                             {"Lt", "Lt"}});
}

void check_label_requirement(ObjectReader requirement) {
  check_requirement(
      std::move(requirement),
      {{"In", "In"}, {"NotIn", "NotIn"}, {"Exists", "Exists"}, {"DoesNotExist", "DoesNotExist"}});
}

/// The one field of a node that Kubernetes selects by is its name.
void check_node_field(ObjectReader field) {
  required(
      field, "key", [](auto const& key) { return key == "metadata.name"; }, "metadata.name");
  operator_of(field, {{"In", "In"}, {"NotIn", "NotIn"}});
  if (each_text(field, "values", 1, is_dns_subdomain, "a node's name") != 1)
    field.fail("values", "Invalid value: must be one node's name");
  field.finish();
}

void check_node_term(ObjectReader term) {
  each_item(term, "matchExpressions", {0, kMaxSelectorItems}, check_node_requirement);
  each_item(term, "matchFields", {0, kMaxSelectorItems}, check_node_field);
  term.finish();
}

void check_weight(ObjectReader& preferred) {
  int weight = 0;
  preferred.read("weight", weight, kAffinityWeight);
  if (!preferred.has("weight")) preferred.fail("weight", "Required value: an integer between 1 and 100");
}

void require(ObjectReader& reader, std::string_view name) {
  if (!reader.has(name)) reader.fail(name, "Required value");
}

void check_node_affinity(ObjectReader affinity) {
  constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
  if (affinity.has(kRequired)) {
    auto hard = affinity.object(kRequired);
    require(hard, "nodeSelectorTerms");
    each_item(hard, "nodeSelectorTerms", {1, kMaxSelectorItems}, check_node_term);
    hard.finish();
  } else {
    affinity.take(kRequired);
  }
  each_item(affinity, "preferredDuringSchedulingIgnoredDuringExecution", {0, kMaxSelectorItems},
            [](ObjectReader preferred) {
              check_weight(preferred);
              require(preferred, "preference");
              check_node_term(preferred.object("preference"));
              preferred.finish();
            });
  affinity.finish();
}

void check_label_selector(ObjectReader selector) {
  std::map<std::string, std::string> labels;
  read_labels(selector, "matchLabels", labels);
  if (labels.size() > kMaxSelectorItems) {
    selector.fail("matchLabels", "Too many: " + std::to_string(labels.size()) + ": must have at most " +
                                     std::to_string(kMaxSelectorItems) + " items");
  }
  each_item(selector, "matchExpressions", {0, kMaxSelectorItems}, check_label_requirement);
  selector.finish();
}

void check_pod_term(ObjectReader term) {
  required(term, "topologyKey", is_label_name, kLabelName);
  check_label_selector(term.object("labelSelector"));
  check_label_selector(term.object("namespaceSelector"));
  each_text(
      term, "namespaces", kMaxSelectorItems,
      [](std::string_view text) { return text.size() <= kMaxLabelLength && is_dns_label(text, true); },
      "a namespace's name");
  term.finish();
}

void check_pod_affinity(ObjectReader affinity) {
  each_item(affinity, "requiredDuringSchedulingIgnoredDuringExecution", {0, kMaxSelectorItems},
            check_pod_term);
  each_item(affinity, "preferredDuringSchedulingIgnoredDuringExecution", {0, kMaxSelectorItems},
            [](ObjectReader preferred) {
              check_weight(preferred);
              require(preferred, "podAffinityTerm");
              if (preferred.has("podAffinityTerm"))
                check_pod_term(preferred.object("podAffinityTerm"));
              else
                preferred.take("podAffinityTerm");
              preferred.finish();
            });
  affinity.finish();
}

void check_spread(ObjectReader spread, std::set<std::pair<std::string, std::string_view>>& seen) {
  int number = 0;
  spread.read("maxSkew", number, kSpreadNumber);
  require(spread, "maxSkew");
  auto const key = required(spread, "topologyKey", is_label_name, kLabelName);
  std::string_view otherwise;
  spread.read("whenUnsatisfiable", otherwise,
              {{"DoNotSchedule", "DoNotSchedule"}, {"ScheduleAnyway", "ScheduleAnyway"}});
  require(spread, "whenUnsatisfiable");
  spread.read("minDomains", number, kSpreadNumber);
  if (spread.has("minDomains") && otherwise != "DoNotSchedule")
    spread.fail("minDomains", "Forbidden: counts with whenUnsatisfiable DoNotSchedule alone");
  std::string_view word;
  spread.read("nodeAffinityPolicy", word, {{"Honor", "Honor"}, {"Ignore", "Ignore"}});
  spread.read("nodeTaintsPolicy", word, {{"Honor", "Honor"}, {"Ignore", "Ignore"}});
  check_label_selector(spread.object("labelSelector"));
  if (!seen.emplace(key, otherwise).second)
    spread.fail("topologyKey", "Duplicate value: \"" + key + "\": must be once for each whenUnsatisfiable");
  spread.finish();
}

}  // namespace

void check_affinity(ObjectReader affinity) {
  check_node_affinity(affinity.object("nodeAffinity"));
  check_pod_affinity(affinity.object("podAffinity"));
  check_pod_affinity(affinity.object("podAntiAffinity"));
  affinity.finish();
}

void check_topology_spread(ObjectReader& reader, std::string_view name, json::array const& items) {
  std::set<std::pair<std::string, std::string_view>> seen;
  std::size_t at = 0;
  for (auto const& item : items) check_spread(reader.item(name, at++, item), seen);
}

}  // namespace ei::api
