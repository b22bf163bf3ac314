#include <boost/json/array.hpp>
#include <cmath>

#include "operator/api/parse.hpp"
#include "operator/api/status.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

json::object words(std::map<std::string, std::string> const& map) {
  json::object object;
  for (auto const& [key, value] : map) object[key] = value;
  return object;
}

json::object to_json(Metadata const& metadata) {
  json::object object{{"name", metadata.name}, {"namespace", metadata.namespace_name}};
  if (!metadata.uid.empty()) object["uid"] = metadata.uid;
  if (!metadata.resource_version.empty()) object["resourceVersion"] = metadata.resource_version;
  if (metadata.generation != 0) object["generation"] = metadata.generation;
  if (!metadata.labels.empty()) object["labels"] = words(metadata.labels);
  if (!metadata.annotations.empty()) object["annotations"] = words(metadata.annotations);
  if (metadata.created) object["creationTimestamp"] = format_rfc3339_seconds(*metadata.created);
  return object;
}

json::object to_json(Model const& model) {
  json::object object{{"name", model.name}, {"uri", model.uri}};
  if (!model.sha256.empty()) object["sha256"] = model.sha256;
  if (!model.labels.empty()) object["labels"] = model.labels;
  if (!model.uri_query_secret.empty()) object["uriQuerySecret"] = model.uri_query_secret;
  if (!model.labels_query_secret.empty()) object["labelsQuerySecret"] = model.labels_query_secret;
  object["precision"] = to_string(model.precision);
  if (model.min_agreement) object["minAgreement"] = *model.min_agreement;
  return object;
}

constexpr std::pair<std::string_view, std::string Explanation::*> kSentences[] = {
    {"measured", &Explanation::measured},
    {"terms", &Explanation::terms},
    {"bound", &Explanation::bound},
    {"whyNotMore", &Explanation::why_not_more},
    {"whyNotLess", &Explanation::why_not_less},
};

json::object to_json(ModelStatus const& model) {
  json::object object;
  if (!model.version.empty()) object["version"] = model.version;
  if (!model.output.empty()) object["output"] = model.output;
  if (!model.precision.empty()) object["precision"] = model.precision;
  if (model.agreement) object["agreement"] = *model.agreement;
  return object;
}

json::object to_json(schedule::Entry const& entry) {
  json::object object{
      {"cron", entry.cron}, {"timeZone", entry.time_zone}, {"duration", format_duration(entry.duration)}};
  if (!entry.name.empty()) object["name"] = entry.name;
  if (entry.min_replicas) object["minReplicas"] = *entry.min_replicas;
  if (entry.max_replicas) object["maxReplicas"] = *entry.max_replicas;
  return object;
}

json::object scaling_to_json(Spec const& spec) {
  auto const& settings = spec.scaling;
  json::object object{{"policy", scaling::name(settings.policy)},
                      {"queueTarget", settings.queue_target},
                      {"minReplicas", settings.min_replicas},
                      {"maxReplicas", settings.max_replicas},
                      {"idleAfter", format_duration(settings.idle_after)},
                      {"cooldown", format_duration(settings.cooldown)},
                      {"latencyTarget", format_duration(settings.latency_target)},
                      {"interval", format_duration(settings.interval)},
                      {"paused", settings.paused},
                      {"mode", settings.advise ? "Advise" : "Act"},
                      {"onMetricsLoss", scaling::name(settings.on_metrics_loss)}};
  if (!spec.prometheus_query.empty()) object["prometheusQuery"] = spec.prometheus_query;
  for (auto const& webhook : spec.webhook) {
    json::object written{{"url", webhook.url}, {"onFailure", scaling::name(settings.on_webhook_failure)}};
    if (webhook.timeout.count() > 0) written["timeout"] = format_duration(webhook.timeout);
    if (!webhook.ca_pem.empty()) written["caBundle"] = base64_encode(webhook.ca_pem);
    object["webhook"] = std::move(written);
  }
  if (!spec.advisors.empty()) {
    auto& names = object["advisors"].emplace_array();
    for (auto const advisor : spec.advisors) names.emplace_back(scaling::name(advisor));
  }
  if (!spec.schedule.empty()) {
    auto& entries = object["schedule"].emplace_array();
    for (auto const& entry : spec.schedule) entries.push_back(to_json(entry));
  }
  return object;
}

void add_pods(json::object& object, Pods const& pods) {
  if (!pods.labels.empty()) object["labels"] = words(pods.labels);
  if (!pods.annotations.empty()) object["annotations"] = words(pods.annotations);
  json::array env;
  for (auto const& each : pods.env) env.push_back({{"name", each.name}, {"value", each.value}});
  if (!env.empty()) object["env"] = std::move(env);
  if (!pods.service_account.empty()) object["serviceAccountName"] = pods.service_account;
  if (!pods.priority_class.empty()) object["priorityClassName"] = pods.priority_class;
  json::array secrets;
  for (auto const& name : pods.image_pull_secrets) secrets.push_back(json::object{{"name", name}});
  if (!secrets.empty()) object["imagePullSecrets"] = std::move(secrets);
  if (!pods.node_selector.empty()) object["nodeSelector"] = words(pods.node_selector);
  if (!pods.tolerations.is_null()) object["tolerations"] = pods.tolerations;
  if (!pods.affinity.is_null()) object["affinity"] = pods.affinity;
  if (!pods.topology_spread.is_null()) object["topologySpreadConstraints"] = pods.topology_spread;
}

json::object to_json(Dispatcher const& dispatcher) {
  json::object object{
      {"replicas", dispatcher.replicas},
      {"queueCapacity", dispatcher.queue_capacity},
      {"requestTimeout", format_duration(dispatcher.request_timeout)},
      {"limits", {{"maxBytes", dispatcher.limits.max_bytes}, {"maxPixels", dispatcher.limits.max_pixels}}},
      {"batch",
       {{"maxSize", dispatcher.batch.max_size}, {"maxDelay", format_duration(dispatcher.batch.max_delay)}}}};
  if (auto const most = dispatcher.max_connections_per_address) object["maxConnectionsPerAddress"] = *most;
  if (!dispatcher.allowed_origins.empty()) {
    json::array origins;
    for (auto const& origin : dispatcher.allowed_origins) origins.emplace_back(origin);
    object["cors"] = {{"allowedOrigins", std::move(origins)}};
  }
  if (dispatcher.tls.on()) {
    object["tls"] = {{"secretName", dispatcher.tls.secret_name},
                     {"clientAuth", to_string(dispatcher.tls.client_auth)}};
  }
  object["resources"] = {{"cpu", dispatcher.resources.cpu}, {"memory", dispatcher.resources.memory}};
  add_pods(object, dispatcher.pods);
  return object;
}

json::object to_json(Worker const& worker) {
  json::object object;
  if (!worker.image.empty()) object["image"] = worker.image;
  object["resources"] = {{"cpu", worker.resources.cpu}, {"memory", worker.resources.memory}};
  add_pods(object, worker.pods);
  return object;
}

json::object to_json(DecisionRecord const& record) {
  return {{"id", record.id},         {"time", format_rfc3339(record.time)},
          {"from", record.from},     {"to", record.to},
          {"reason", record.reason}, {"formula", record.formula}};
}

json::object to_json(Condition const& condition) {
  return {{"type", condition.type},
          {"status", to_string(condition.status)},
          {"reason", condition.reason},
          {"message", condition.message},
          {"lastTransitionTime", format_rfc3339_seconds(condition.last_transition)},
          {"observedGeneration", condition.observed_generation}};
}

// Readers that give the default for whatever is missing or of another shape.

std::string text_of(json::object const& object, std::string_view name) {
  auto const* value = object.if_contains(name);
  auto const* text = value ? value->if_string() : nullptr;
  return text ? std::string(text->data(), text->size()) : std::string{};
}

template <class Number>
Number number_of(json::object const& object, std::string_view name) {
  auto const* value = object.if_contains(name);
  json::error_code wrong;
  if (!value || !value->is_number()) return {};
  auto const number = value->to_number<Number>(wrong);
  return wrong ? Number{} : number;
}

WallTime time_of(json::object const& object, std::string_view name) {
  auto const time = parse_rfc3339(text_of(object, name));
  return time ? *time : WallTime{};
}

json::object const& object_of(json::object const& object, std::string_view name) {
  static json::object const kEmpty;
  auto const* value = object.if_contains(name);
  return value && value->is_object() ? value->get_object() : kEmpty;
}

template <class Read>
void each_object(json::object const& object, std::string_view name, Read read) {
  auto const* value = object.if_contains(name);
  if (!value || !value->is_array()) return;
  for (auto const& item : value->get_array()) {
    if (item.is_object()) read(item.get_object());
  }
}

DecisionRecord record_from_json(json::object const& object) {
  return {text_of(object, "id"),        time_of(object, "time"),   number_of<int>(object, "from"),
          number_of<int>(object, "to"), text_of(object, "reason"), text_of(object, "formula")};
}

Condition condition_from_json(json::object const& object) {
  auto const word = text_of(object, "status");
  auto const status = word == "True"    ? ConditionStatus::True
                      : word == "False" ? ConditionStatus::False
                                        : ConditionStatus::Unknown;
  return {text_of(object, "type"),
          status,
          text_of(object, "reason"),
          text_of(object, "message"),
          time_of(object, "lastTransitionTime"),
          number_of<std::int64_t>(object, "observedGeneration")};
}

QueueStatus queue_from_json(json::object const& object) {
  QueueStatus queue;
  queue.depth = number_of<std::int64_t>(object, "depth");
  queue.in_flight = number_of<std::int64_t>(object, "inFlight");
  queue.arrival_rate = number_of<double>(object, "arrivalRate");
  if (auto const age = parse_duration(text_of(object, "oldestAge"))) queue.oldest_age = *age;
  if (auto const p99 = parse_duration(text_of(object, "p99"))) queue.p99 = *p99;
  return queue;
}

json::object to_json(PolicyCost const& cost) {
  return {{"replicas", cost.replicas}, {"coreSeconds", cost.core_seconds}, {"lateRequests", cost.late}};
}

PolicyCost cost_from_json(json::object const& object) {
  return {number_of<int>(object, "replicas"), number_of<std::int64_t>(object, "coreSeconds"),
          number_of<std::int64_t>(object, "lateRequests")};
}

Advice advice_from_json(json::object const& object) {
  Advice advice;
  advice.since = time_of(object, "since");
  advice.measured_seconds = number_of<std::int64_t>(object, "measuredSeconds");
  advice.unmeasured_seconds = number_of<std::int64_t>(object, "unmeasuredSeconds");
  advice.requests = number_of<std::int64_t>(object, "requests");
  advice.acting = cost_from_json(object_of(object, "acting"));
  each_object(object, "advisors", [&](auto const& item) {
    auto const word = text_of(item, "name");
    for (auto const advisor : scaling::kAdvisors) {
      if (scaling::name(advisor) == word) advice.advisors.emplace_back(advisor, cost_from_json(item));
    }
  });
  return advice;
}

}  // namespace

json::object to_json(Advice const& advice) {
  json::array advisors;
  for (auto const& [advisor, cost] : advice.advisors) {
    auto object = to_json(cost);
    object["name"] = scaling::name(advisor);
    advisors.push_back(std::move(object));
  }
  return {{"since", format_rfc3339_seconds(advice.since)},
          {"measuredSeconds", advice.measured_seconds},
          {"unmeasuredSeconds", advice.unmeasured_seconds},
          {"requests", advice.requests},
          {"acting", to_json(advice.acting)},
          {"advisors", std::move(advisors)}};
}

json::object to_json(Spec const& spec) {
  return {{"model", to_json(spec.model)},
          {"scaling", scaling_to_json(spec)},
          {"dispatcher", to_json(spec.dispatcher)},
          {"worker", to_json(spec.worker)},
          {"replicas", spec.scaling.external_replicas}};
}

json::object to_json(Status const& status) {
  json::object queue{{"depth", status.queue.depth},
                     {"inFlight", status.queue.in_flight},
                     {"arrivalRate", status.queue.arrival_rate},
                     {"oldestAge", format_duration(status.queue.oldest_age)}};
  if (status.queue.p99) queue["p99"] = format_duration(*status.queue.p99);
  json::object object{{"observedGeneration", status.observed_generation},
                      {"replicas", status.replicas},
                      {"readyReplicas", status.ready_replicas},
                      {"desiredReplicas", status.desired_replicas},
                      {"selector", status.selector},
                      {"queue", std::move(queue)}};
  if (status.recommended_replicas) object["recommendedReplicas"] = *status.recommended_replicas;
  if (auto model = to_json(status.model); !model.empty()) object["model"] = std::move(model);
  for (auto const& advice : status.advice) object["advice"] = to_json(advice);
  if (status.last_decision) object["lastDecision"] = to_json(*status.last_decision);
  json::array history;
  for (auto const& record : status.history) history.push_back(to_json(record));
  object["history"] = std::move(history);
  json::array conditions;
  for (auto const& condition : status.conditions) conditions.push_back(to_json(condition));
  object["conditions"] = std::move(conditions);
  return object;
}

json::object to_json(Explanation const& explanation) {
  json::object object;
  for (auto const& [name, member] : kSentences) {
    if (!(explanation.*member).empty()) object[name] = explanation.*member;
  }
  return object;
}

void erase_explanation(json::object& last_decision) {
  for (auto const& [name, member] : kSentences) last_decision.erase(name);
}

Explanation explanation_from_json(json::value const& value) {
  Explanation explanation;
  auto const* object = value.if_object();
  if (!object) return explanation;
  for (auto const& [name, member] : kSentences) explanation.*member = text_of(*object, name);
  return explanation;
}

ModelStatus model_from_json(json::object const& object) {
  ModelStatus model;
  model.version = text_of(object, "version");
  model.output = text_of(object, "output");
  model.precision = text_of(object, "precision");
  if (auto const* agreement = object.if_contains("agreement"); agreement != nullptr && agreement->is_number())
    model.agreement = agreement->to_number<double>();
  return model;
}

Status status_from_json(json::value const& value) {
  Status status;
  auto const* object = value.if_object();
  if (!object) return status;
  status.observed_generation = number_of<std::int64_t>(*object, "observedGeneration");
  status.replicas = number_of<int>(*object, "replicas");
  status.ready_replicas = number_of<int>(*object, "readyReplicas");
  status.desired_replicas = number_of<int>(*object, "desiredReplicas");
  if (object->contains("recommendedReplicas"))
    status.recommended_replicas = number_of<int>(*object, "recommendedReplicas");
  status.selector = text_of(*object, "selector");
  status.queue = queue_from_json(object_of(*object, "queue"));
  status.model = model_from_json(object_of(*object, "model"));
  if (object->contains("advice")) status.advice = {advice_from_json(object_of(*object, "advice"))};
  if (object->contains("lastDecision"))
    status.last_decision = record_from_json(object_of(*object, "lastDecision"));
  each_object(*object, "history",
              [&](auto const& item) { status.history.push_back(record_from_json(item)); });
  each_object(*object, "conditions",
              [&](auto const& item) { status.conditions.push_back(condition_from_json(item)); });
  return status;
}

json::object to_json(InferenceService const& service) {
  json::object object{{"apiVersion", kApiVersion},
                      {"kind", kKind},
                      {"metadata", to_json(service.metadata)},
                      {"spec", to_json(service.spec)}};
  if (service.status != Status{}) object["status"] = to_json(service.status);
  return object;
}

}  // namespace ei::api
