#include "operator/api/parse.hpp"

#include <algorithm>
#include <cctype>

#include "operator/api/label.hpp"
#include "operator/api/limits.hpp"
#include "operator/api/names.hpp"
#include "operator/api/parse_advisors.hpp"
#include "operator/api/parse_schedule.hpp"
#include "operator/api/parse_webhook.hpp"
#include "operator/api/pods.hpp"
#include "operator/api/reader.hpp"
#include "runtime/core/origin.hpp"
#include "runtime/core/redact.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void read_uri(ObjectReader& reader, std::string_view name, std::string& target) {
  std::string text = target;
  reader.read(name, text, kMaxUriLength);
  auto const fault = text.empty() && !reader.has(name) ? std::string_view{} : model_uri_fault(text);
  if (fault.empty()) {
    target = text;
  } else {
    reader.fail(name, invalid_value(json::value(display_url(text)), fault));
  }
}

void read_sha256(ObjectReader& reader, std::string& target) {
  reader.read("sha256", target);
  std::transform(target.begin(), target.end(), target.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  bool const fine =
      target.empty() || (target.size() == 64 && std::all_of(target.begin(), target.end(), [](char c) {
                           return is_digit(c) || (c >= 'a' && c <= 'f');
                         }));
  if (!fine) reader.fail("sha256", invalid_value(json::value(target), "64 hexadecimal digits"));
}

// A URI is for everybody to see; a Secret adds what is not.
void read_query_secret(ObjectReader& reader, std::string_view name, std::string const& uri,
                       std::string& target) {
  reader.read(name, target);
  if (!reader.has(name)) return;
  if (!is_dns_subdomain(target)) {
    reader.fail(name, invalid_value(json::value(target), kSecretName));
  } else if (!uri.starts_with("https://") || uri.find_first_of("?#") != uri.npos) {
    reader.fail(name, "Forbidden: needs an https:// URI without a query or a fragment of its own");
  }
}

void read_min_agreement(ObjectReader& reader, Model& model) {
  auto const* const value = reader.take("minAgreement");
  if (value == nullptr) return;
  double const number = value->is_number() ? value->to_number<double>() : 0;
  if (!kMinAgreement.contains(number)) {
    reader.fail("minAgreement", invalid_value(*value, "a number from 0.5 to 1"));
  } else if (model.precision != Precision::Auto) {
    reader.fail("minAgreement", "Forbidden: needs precision auto, which it lets take int8");
  } else {
    model.min_agreement = number;
  }
}

void read_model(ObjectReader reader, Model& model) {
  reader.read("name", model.name);
  if (!is_model_name(model.name)) {
    reader.fail("name",
                invalid_value(json::value(model.name),
                              "1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"));
  }
  read_uri(reader, "uri", model.uri);
  read_sha256(reader, model.sha256);
  read_uri(reader, "labels", model.labels);
  read_query_secret(reader, "uriQuerySecret", model.uri, model.uri_query_secret);
  read_query_secret(reader, "labelsQuerySecret", model.labels, model.labels_query_secret);
  reader.read("precision", model.precision,
              {{"auto", Precision::Auto},
               {"fp32", Precision::Fp32},
               {"bf16", Precision::Bf16},
               {"int8", Precision::Int8}});
  read_min_agreement(reader, model);
  reader.finish();
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == text.npos;
}

void read_query(ObjectReader& reader, Spec& spec) {
  reader.read("prometheusQuery", spec.prometheus_query, kMaxQueryLength);
  if (!reader.has("prometheusQuery")) return;
  if (is_blank(spec.prometheus_query)) {
    reader.fail("prometheusQuery", invalid_value(json::value(spec.prometheus_query), "a PromQL query"));
  } else if (spec.scaling.policy != scaling::Policy::QueueRatio) {
    reader.fail(
        "prometheusQuery",
        "Forbidden: needs policy QueueRatio: a query gives the queue's length alone, and Latency also "
        "measures arrivals and service times, which it reads from the dispatchers");
  } else if (spec.scaling.min_replicas == 0) {
    reader.fail("prometheusQuery",
                "Forbidden: needs minReplicas of at least 1: a query gives the queue's length alone, and not "
                "whether requests came");
  }
}

void read_scaling(ObjectReader reader, Spec& spec) {
  using scaling::MetricsLoss;
  using scaling::Policy;
  auto& settings = spec.scaling;
  reader.read("policy", settings.policy,
              {{"Latency", Policy::Latency},
               {"QueueRatio", Policy::QueueRatio},
               {"External", Policy::External},
               {"Webhook", Policy::Webhook}});
  reader.read("queueTarget", settings.queue_target, kQueueTarget);
  reader.read("minReplicas", settings.min_replicas, kMinReplicas);
  reader.read("maxReplicas", settings.max_replicas, kReplicas);
  if (settings.min_replicas > settings.max_replicas) {
    reader.fail("minReplicas",
                invalid_value(json::value(settings.min_replicas),
                              "at most maxReplicas (" + std::to_string(settings.max_replicas) + ")"));
  }
  reader.read("standby", settings.standby, kStandby);
  reader.read("idleAfter", settings.idle_after, kIdleAfter);
  reader.read("cooldown", settings.cooldown, kCooldown);
  reader.read("latencyTarget", settings.latency_target, kLatencyTarget);
  settings.interval = settings.policy == Policy::QueueRatio ? kDefaultQueueRatioInterval : kDefaultInterval;
  reader.read("interval", settings.interval, kInterval);
  reader.read("paused", settings.paused);
  reader.read("mode", settings.advise, {{"Act", false}, {"Advise", true}});
  reader.read("onMetricsLoss", settings.on_metrics_loss,
              {{"Hold", MetricsLoss::Hold}, {"ScaleToMax", MetricsLoss::ScaleToMax}});
  read_query(reader, spec);
  read_webhook(reader, spec);
  read_schedule(reader, spec.schedule);
  read_advisors(reader, spec);
  reader.finish();
}

void read_cors(ObjectReader reader, std::vector<std::string>& origins) {
  constexpr std::string_view kName = "allowedOrigins";
  auto const* const value = reader.take(kName);
  if (value != nullptr && (!value->is_array() || value->get_array().size() > kMaxOrigins)) {
    reader.fail(kName,
                invalid_value(*value, "a list of at most " + std::to_string(kMaxOrigins) + " origins"));
  } else if (value != nullptr) {
    for (auto const& item : value->get_array()) {
      std::string const origin = item.is_string() ? std::string(item.get_string()) : "";
      if (origin != "*" && !is_web_origin(origin)) {
        reader.fail(std::string(kName) + "[" + std::to_string(origins.size()) + "]",
                    invalid_value(item, "\"*\" or " + std::string(kOriginForm)));
      }
      origins.push_back(origin);
    }
    if (origins.size() > 1 && std::find(origins.begin(), origins.end(), "*") != origins.end()) {
      reader.fail(kName, invalid_value(*value, "\"*\" alone, or exact origins"));
    }
  }
  reader.finish();
}

void read_tls(ObjectReader reader, Tls& tls) {
  reader.read("secretName", tls.secret_name);
  if (!reader.has("secretName")) {
    reader.fail("secretName", "Required value: the Secret that holds tls.crt, tls.key and ca.crt");
  } else if (!is_dns_subdomain(tls.secret_name)) {
    reader.fail("secretName", invalid_value(json::value(tls.secret_name), kSecretName));
  }
  reader.read(
      "clientAuth", tls.client_auth,
      {{"None", ClientAuth::None}, {"Optional", ClientAuth::Optional}, {"Required", ClientAuth::Required}});
  reader.finish();
}

void read_dispatcher(ObjectReader reader, Dispatcher& dispatcher) {
  reader.read("replicas", dispatcher.replicas, kDispatcherReplicas);
  reader.read("queueCapacity", dispatcher.queue_capacity, kQueueCapacity);
  if (reader.has("maxConnectionsPerAddress"))
    reader.read("maxConnectionsPerAddress", dispatcher.max_connections_per_address.emplace(),
                kConnectionsPerAddress);
  reader.read("requestTimeout", dispatcher.request_timeout, kRequestTimeout);
  auto limits = reader.object("limits");
  limits.read("maxBytes", dispatcher.limits.max_bytes, kPictureBytes);
  limits.read("maxPixels", dispatcher.limits.max_pixels, kPicturePixels);
  limits.finish();
  auto batch = reader.object("batch");
  batch.read("maxSize", dispatcher.batch.max_size, kBatchSize);
  batch.read("maxDelay", dispatcher.batch.max_delay, kBatchDelay);
  batch.finish();
  read_cors(reader.object("cors"), dispatcher.allowed_origins);
  if (reader.has("tls")) read_tls(reader.object("tls"), dispatcher.tls);
  auto resources = reader.object("resources");
  resources.read_quantity("cpu", dispatcher.resources.cpu, kCpuMilli, "10m and 64");
  resources.read_quantity("memory", dispatcher.resources.memory,
                          {kDispatcherMemoryBytes.least * 1000, kDispatcherMemoryBytes.most * 1000},
                          "32Mi and 1Ti");
  resources.finish();
  read_pods(reader, dispatcher.pods);
  reader.finish();
}

void read_worker(ObjectReader reader, Worker& worker) {
  reader.read("image", worker.image, kMaxImageLength);
  if (!is_printable(worker.image)) {
    reader.fail("image", invalid_value(json::value(worker.image), "an image reference without blanks"));
  }
  auto resources = reader.object("resources");
  resources.read_quantity("cpu", worker.resources.cpu, kCpuMilli, "10m and 64");
  resources.read_quantity("memory", worker.resources.memory,
                          {kMemoryBytes.least * 1000, kMemoryBytes.most * 1000}, "256Mi and 1Ti");
  resources.finish();
  read_pods(reader, worker.pods);
  reader.finish();
}

Spec read_spec(ObjectReader reader) {
  Spec spec;
  read_model(reader.object("model"), spec.model);
  read_scaling(reader.object("scaling"), spec);
  read_dispatcher(reader.object("dispatcher"), spec.dispatcher);
  read_worker(reader.object("worker"), spec.worker);
  reader.read("replicas", spec.scaling.external_replicas, kExternalReplicas);
  reader.finish();
  return spec;
}

void check_metadata(ObjectReader reader) {
  std::string name;
  reader.read("name", name);
  if (name.empty()) {
    reader.fail("name", "Required value");
  } else if (name.size() > kMaxNameLength || !is_dns_label(name, false)) {
    reader.fail("name", invalid_value(json::value(name),
                                      "at most 50 lower-case letters, digits and '-', beginning "
                                      "with a letter and ending with a letter or digit"));
  }
  std::string space = "default";
  reader.read("namespace", space);
  if (space.size() > 63 || !is_dns_label(space, true)) {
    reader.fail("namespace", invalid_value(json::value(space), "a namespace's name"));
  }
  std::map<std::string, std::string> words;
  read_labels(reader, "labels", words);
  reader.read("annotations", words);
  // The rest of ObjectMeta belongs to the API server; a manifest exported from one carries it.
  for (auto const* field : {"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields",
                            "selfLink", "generateName"}) {
    reader.take(field);
  }
  reader.finish();
}

}  // namespace

std::string to_string(ServiceKey const& key) {
  return key.namespace_name + "/" + key.name;
}

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::Auto:
      return "auto";
    case Precision::Fp32:
      return "fp32";
    case Precision::Bf16:
      return "bf16";
    case Precision::Int8:
      return "int8";
  }
  return "auto";
}

std::string_view to_string(ClientAuth client_auth) {
  switch (client_auth) {
    case ClientAuth::None:
      return "None";
    case ClientAuth::Optional:
      return "Optional";
    case ClientAuth::Required:
      return "Required";
  }
  return "None";
}

std::string to_string(FieldError const& error) {
  return error.path + ": " + error.message;
}

std::string to_string(std::vector<FieldError> const& errors) {
  std::string text;
  for (auto const& error : errors) text += (text.empty() ? "" : "; ") + to_string(error);
  return text;
}

Parsed parse_service(json::value const& value, UnknownFields unknown) {
  Parsed parsed;
  ObjectReader reader(value, "", unknown, parsed.errors);
  InferenceService service;
  service.metadata = metadata_from_json(value);

  std::string version;
  std::string kind;
  reader.read("apiVersion", version);
  reader.read("kind", kind);
  if (version != kApiVersion) {
    reader.fail("apiVersion", "Unsupported value: \"" + version + "\": must be " + std::string(kApiVersion));
  }
  if (kind != kKind)
    reader.fail("kind", "Unsupported value: \"" + kind + "\": must be " + std::string(kKind));
  check_metadata(reader.object("metadata"));
  service.spec = read_spec(reader.object("spec"));
  // A manifest exported from a cluster carries its status; only the operator writes it.
  if (auto const* status = reader.take("status")) service.status = status_from_json(*status);
  reader.finish();

  if (parsed.errors.empty()) parsed.service = std::move(service);
  return parsed;
}

}  // namespace ei::api
