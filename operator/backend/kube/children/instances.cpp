#include "operator/backend/kube/children/instances.hpp"

#include "operator/api/status.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "operator/plan/last_words.hpp"
#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace ei::kube {
namespace {

namespace json = boost::json;

// The kubelet restarts a container that ended at once the first time: the second end is no accident.
constexpr std::int64_t kLastingRestarts = 2;

// Messages are for a condition: a line or two of them.
constexpr std::size_t kMaxMessageBytes = 300;

// From a pod's node to its first container: volumes and network are there in a second or two, slow ones of
// clouds within some more. A volume that does not exist is looked for for ever.
constexpr std::chrono::seconds kStartPatience{10};

json::value const* condition_of(json::value const& object, std::string_view type) {
  auto const* conditions = find_member(object, "status.conditions");
  if (conditions == nullptr || !conditions->is_array()) return nullptr;
  for (auto const& condition : conditions->get_array()) {
    if (string_or(condition, "type") == type) return &condition;
  }
  return nullptr;
}

/// The annotation, whose name has dots in it.
void copy_template(json::value const& from, std::string_view path, json::object& to) {
  auto const* annotations = find_member(from, path);
  if (annotations == nullptr || !annotations->is_object()) return;
  auto const* digest = annotations->get_object().if_contains(kTemplateAnnotation);
  if (digest != nullptr && digest->is_string()) to["template"] = *digest;
}

void copy_text(json::value const& from, std::string_view path, json::object& to, std::string_view name) {
  auto const text = string_or(from, path);
  if (!text.empty()) to[name] = clipped(text, kMaxMessageBytes);
}

std::optional<WallTime> time_at(json::value const& from, std::string_view name) {
  auto const parsed = parse_rfc3339(string_or(from, name));
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::int64_t integer_at(json::value const& from, std::string_view path) {
  auto const* value = find_member(from, path);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

/// How a container ended: `state` is its `state.terminated` or `lastState.terminated`. Empty without one.
std::string end_of(json::value const* state) {
  if (state == nullptr || !state->is_object()) return {};
  auto text = "exit code " + std::to_string(integer_at(*state, "exitCode"));
  plan::LastWords words;
  std::string_view log = string_or(*state, "message");
  while (!log.empty()) {
    auto const end = std::min(log.find('\n'), log.size());
    words.hear(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  if (!words.text().empty()) text += ": " + words.text();
  return text;
}

/// Waits that are either the second try's or that no try ends.
bool is_lasting_wait(std::string_view reason) {
  return reason.ends_with("BackOff") || reason == "InvalidImageName" || reason == "ErrImageNeverPull" ||
         reason == "CreateContainerConfigError";
}

/// What a container waits for or died of, in the kubelet's words and its own last ones.
void keep_container_trouble(json::value const& container, json::object& kept) {
  auto const waiting = string_or(container, "state.waiting.reason");
  // These two are how every pod begins.
  if (!waiting.empty() && waiting != "ContainerCreating" && waiting != "PodInitializing") {
    kept["trouble"] = waiting;
    kept["lasting"] = is_lasting_wait(waiting) || integer_at(container, "restartCount") >= kLastingRestarts;
    // How long it is held back says less than why it crashes.
    bool const crashed = waiting == "CrashLoopBackOff";
    auto const before = crashed ? end_of(find_member(container, "lastState.terminated")) : std::string();
    if (!before.empty()) {
      kept["troubleMessage"] = before;
    } else {
      copy_text(container, "state.waiting.message", kept, "troubleMessage");
    }
    return;
  }
  // While it runs again and is not ready, it is still the last crash that matters.
  for (std::string_view const state : {"state.terminated", "lastState.terminated"}) {
    auto const* end = find_member(container, state);
    if (end == nullptr || !end->is_object()) continue;
    auto const ended = string_or(*end, "reason");
    if (ended.empty() || ended == "Completed") continue;
    kept["trouble"] = ended;
    kept["lasting"] = integer_at(container, "restartCount") >= kLastingRestarts;
    kept["troubleMessage"] = end_of(end);
    return;
  }
}

std::optional<plan::Trouble> trouble_of(CachedObject const& pod) {
  auto const reason = string_or(pod.content, "trouble");
  if (reason.empty()) return std::nullopt;
  auto const* lasting = find_member(pod.content, "lasting");
  return plan::Trouble{std::string(reason), std::string(string_or(pod.content, "troubleMessage", reason)),
                       lasting != nullptr && lasting->is_bool() && lasting->get_bool()};
}

/// From when on a worker that is not ready could be: it ran once, or runs for the first time. What waits for
/// a node, an image or a volume would wait as well in a pod made anew.
std::optional<WallTime> hanging_since(CachedObject const& pod) {
  auto const changed = time_at(pod.content, "readyChanged");
  if (integer_at(pod.content, "restarts") > 0) return changed;
  auto const started = time_at(pod.content, "started");
  return started && changed ? std::optional(std::max(*started, *changed)) : std::nullopt;
}

}  // namespace

json::value keep_pod(json::value const& pod) {
  json::object kept;
  copy_text(pod, "status.podIP", kept, "ip");
  copy_text(pod, "status.phase", kept, "phase");
  copy_text(pod, "metadata.creationTimestamp", kept, "created");
  copy_template(pod, "metadata.annotations", kept);
  if (auto const* ready = condition_of(pod, "Ready")) {
    kept["ready"] = string_or(*ready, "status") == "True";
    copy_text(*ready, "lastTransitionTime", kept, "readyChanged");
  }
  if (auto const* scheduled = condition_of(pod, "PodScheduled")) {
    if (string_or(*scheduled, "reason") == "Unschedulable")
      copy_text(*scheduled, "message", kept, "unschedulable");
  }
  auto const* containers = find_member(pod, "status.containerStatuses");
  if (auto const* startable = condition_of(pod, "PodReadyToStartContainers")) {
    if (string_or(*startable, "status") == "False") {
      if (auto const* scheduled = condition_of(pod, "PodScheduled"))
        copy_text(*scheduled, "lastTransitionTime", kept, "unstartedSince");
    }
  }
  std::int64_t restarts = 0;
  if (containers != nullptr && containers->is_array()) {
    for (auto const& container : containers->get_array()) {
      restarts += integer_at(container, "restartCount");
      keep_container_trouble(container, kept);
      copy_text(container, "state.running.startedAt", kept, "started");
    }
  }
  kept["restarts"] = restarts;
  return kept;
}

json::value keep_deployment(json::value const& deployment) {
  json::object kept;
  if (auto const* replicas = find_member(deployment, "spec.replicas")) kept["replicas"] = *replicas;
  if (auto const* failure = condition_of(deployment, "ReplicaFailure")) {
    if (string_or(*failure, "status") == "True") copy_text(*failure, "message", kept, "failure");
  }
  copy_template(deployment, "spec.template.metadata.annotations", kept);
  // What the controller says of an earlier generation is about another template.
  bool const seen =
      integer_at(deployment, "status.observedGeneration") == integer_at(deployment, "metadata.generation");
  if (auto const* progress = condition_of(deployment, "Progressing"); progress != nullptr && seen) {
    if (string_or(*progress, "reason") == "ProgressDeadlineExceeded")
      copy_text(*progress, "message", kept, "overdue");
  }
  return kept;
}

json::value keep_service(json::value const& service) {
  if (!service.is_object()) return nullptr;
  json::object kept = service.get_object();
  auto* metadata = kept.if_contains("metadata");
  if (metadata != nullptr && metadata->is_object()) {
    metadata->get_object().erase("managedFields");
    auto* annotations = metadata->get_object().if_contains("annotations");
    if (annotations != nullptr && annotations->is_object()) {
      annotations->get_object().erase("kubectl.kubernetes.io/last-applied-configuration");
    }
  }
  // Nobody here reads what a decision rested on.
  auto* status = kept.if_contains("status");
  auto* decision =
      status != nullptr && status->is_object() ? status->get_object().if_contains("lastDecision") : nullptr;
  if (decision != nullptr && decision->is_object()) api::erase_explanation(decision->get_object());
  return json::value(json::serialize(kept));
}

json::value read_service(CachedObject const& service) {
  if (!service.content.is_string()) return nullptr;
  auto parsed = parse_json(service.content.get_string());
  return parsed ? std::move(*parsed) : json::value();
}

bool has_ended(CachedObject const& pod) {
  auto const phase = string_or(pod.content, "phase");
  return phase == "Succeeded" || phase == "Failed";
}

std::optional<WallTime> ready_since(CachedObject const& pod) {
  auto const* ready = find_member(pod.content, "ready");
  if (ready == nullptr || !ready->is_bool() || !ready->get_bool()) return std::nullopt;
  return time_at(pod.content, "readyChanged");
}

plan::DispatcherInstance dispatcher_instance(CachedObject const& pod) {
  plan::DispatcherInstance instance;
  instance.name = pod.key.name;
  instance.incarnation = pod.uid + "/" + std::to_string(integer_at(pod.content, "restarts"));
  if (auto const ip = std::string(string_or(pod.content, "ip")); !ip.empty()) {
    bool const ipv6 = ip.find(':') != std::string::npos;
    instance.metrics_url =
        "http://" + (ipv6 ? "[" + ip + "]" : ip) + ":" + std::to_string(kDispatcherMetricsPort) + "/metrics";
  }
  instance.ready = ready_since(pod).has_value();
  instance.trouble = trouble_of(pod);
  return instance;
}

std::optional<plan::Trouble> start_trouble(CachedObject const& pod, std::string const& needs, WallTime now) {
  auto const since = time_at(pod.content, "unstartedSince");
  if (!since || now - *since < kStartPatience) return std::nullopt;
  return plan::Trouble{"ContainerCreating", "its node has not started the pod yet. " + needs +
                                                "kubectl describe pod " + pod.key.name +
                                                " says what it waits for"};
}

plan::WorkerInstance worker_instance(CachedObject const& pod) {
  plan::WorkerInstance instance;
  instance.name = pod.key.name;
  instance.created = time_at(pod.content, "created").value_or(WallTime{});
  auto const since = ready_since(pod);
  instance.ready = since.has_value();
  instance.first_ready = since;
  if (!instance.ready) instance.not_ready_since = hanging_since(pod);
  instance.terminating = pod.deleting;
  instance.trouble = trouble_of(pod);
  return instance;
}

std::string_view template_of(CachedObject const& object) {
  return string_or(object.content, "template");
}

std::optional<plan::Trouble> overdue_of(CachedObject const* deployment, std::string_view digest) {
  if (deployment == nullptr || template_of(*deployment) != digest) return std::nullopt;
  auto const why = string_or(deployment->content, "overdue");
  if (why.empty()) return std::nullopt;
  return plan::Trouble{"ProgressDeadlineExceeded", std::string(why), true};
}

std::optional<int> wanted_replicas(CachedObject const& deployment) {
  auto const* replicas = find_member(deployment.content, "replicas");
  if (replicas == nullptr || !replicas->is_int64()) return std::nullopt;
  return static_cast<int>(replicas->get_int64());
}

std::optional<plan::Trouble> shortage_of(CachedObject const* deployment,
                                         std::vector<CachedObject const*> const& pods) {
  if (deployment != nullptr) {
    auto const failure = string_or(deployment->content, "failure");
    bool const quota = failure.find("exceeded quota") != std::string_view::npos;
    if (!failure.empty()) {
      return plan::Trouble{quota ? "QuotaExceeded" : "PodsRefused", std::string(failure)};
    }
  }
  for (auto const* pod : pods) {
    auto const why = string_or(pod->content, "unschedulable");
    bool const waits = !why.empty() && !pod->deleting && !has_ended(*pod);
    if (waits) return plan::Trouble{"Unschedulable", std::string(why)};
  }
  return std::nullopt;
}

}  // namespace ei::kube
