#include <boost/json/array.hpp>

#include "operator/api/parse.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/fields.hpp"
#include "runtime/core/json.hpp"

namespace ei::api {

template <class Fields>
void list_members(Fields& fields, Metadata& metadata) {
  fields("name", metadata.name);
  fields("namespace", metadata.namespace_name);
  fields.if_any("uid", metadata.uid);
  fields.if_any("resourceVersion", metadata.resource_version);
  fields.if_any("generation", metadata.generation);
  fields.if_any("labels", metadata.labels);
  fields.if_any("annotations", metadata.annotations);
  fields.if_second("creationTimestamp", metadata.created);
}

namespace {

namespace json = boost::json;

json::object words(std::map<std::string, std::string> const& map) {
  json::object object;
  for (auto const& [key, value] : map) object[key] = value;
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
                      {"standby", settings.standby},
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

}  // namespace

json::object to_json(Spec const& spec) {
  return {{"model", to_json(spec.model)},
          {"scaling", scaling_to_json(spec)},
          {"dispatcher", to_json(spec.dispatcher)},
          {"worker", to_json(spec.worker)},
          {"replicas", spec.scaling.external_replicas}};
}

Metadata metadata_from_json(json::value const& object) {
  auto const* const found = find_member(object, "metadata");
  if (found == nullptr) return {};
  auto metadata = read_fields_leniently<Metadata>(*found);
  metadata.deleting = !string_or(*found, "deletionTimestamp").empty();
  return metadata;
}

json::object to_json(InferenceService const& service) {
  json::object object{{"apiVersion", kApiVersion},
                      {"kind", kKind},
                      {"metadata", write_fields(service.metadata)},
                      {"spec", to_json(service.spec)}};
  if (service.status != Status{}) object["status"] = to_json(service.status);
  return object;
}

}  // namespace ei::api
