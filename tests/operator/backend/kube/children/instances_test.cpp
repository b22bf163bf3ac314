#include "operator/backend/kube/children/instances.hpp"

#include "runtime/core/json.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;

namespace {

CachedObject pod(std::string_view text) {
  auto const live = ei::parse_json(text).value();
  auto cached = read_identity(live).value();
  cached.content = keep_pod(live);
  return cached;
}

constexpr std::string_view kReady = R"({"metadata": {"name": "p", "namespace": "n", "uid": "u",
    "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"manager": "kubelet"}]},
  "spec": {"containers": [{"name": "c"}]},
  "status": {"phase": "Running", "podIP": "10.1.2.3",
    "conditions": [{"type": "PodScheduled", "status": "True"},
                   {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}],
    "containerStatuses": [{"name": "c", "restartCount": 2, "state": {"running": {}}}]}})";

}  // namespace

TEST_CASE("a ready dispatcher has an address, and an incarnation that a restart changes") {
  auto const instance = dispatcher_instance(pod(kReady));
  CHECK(instance.name == "p");
  CHECK(instance.incarnation == "u/2");
  CHECK(instance.metrics_url == "http://10.1.2.3:9000/metrics");
  CHECK(instance.ready);
  CHECK_FALSE(instance.trouble);
}

TEST_CASE("a worker's times are those of its Ready condition") {
  auto const instance = worker_instance(pod(kReady));
  CHECK(instance.ready);
  CHECK(instance.created == ei::parse_rfc3339("2026-01-01T00:00:00Z").value());
  CHECK(instance.first_ready == ei::parse_rfc3339("2026-01-01T00:00:05Z").value());
  CHECK_FALSE(instance.not_ready_since);
}

TEST_CASE("trouble is told in the kubelet's words") {
  struct Row {
    char const* state;
    char const* reason;
    char const* message;
    char const* why;
  };
  for (auto const& row : {
           Row{R"({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})",
               "ImagePullBackOff", "no such image", "an image that is not there"},
           Row{R"({"waiting": {"reason": "CrashLoopBackOff"}})", "CrashLoopBackOff", "CrashLoopBackOff",
               "no message: the reason again"},
           Row{R"({"terminated": {"reason": "OOMKilled", "exitCode": 137}})", "OOMKilled", "exit code 137",
               "too little memory"},
           Row{R"({"terminated": {"reason": "Error", "exitCode": 1, "message":
               "{\"level\":\"error\",\"event\":\"cannot_load\",\"error\":\"sha256 mismatch\"}\n"}})",
               "Error", "exit code 1: cannot_load: sha256 mismatch", "its own last words"},
           Row{R"({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting"}},
               "lastState": {"terminated": {"exitCode": 1, "message": "no such file"}})",
               "CrashLoopBackOff", "exit code 1: no such file",
               "why it crashes says more than how long it waits"},
           Row{R"({"running": {}}, "lastState": {"terminated": {"reason": "Error", "exitCode": 1}})", "Error",
               "exit code 1", "it runs again, and is not ready yet"},
           Row{R"({"waiting": {"reason": "ContainerCreating"}})", "", "", "how every pod begins"},
       }) {
    INFO(row.why);
    auto const instance = worker_instance(pod(std::string(R"({"metadata": {"name": "p"}, "status": {
      "containerStatuses": [{"restartCount": 1, "state": )") +
                                              row.state + "}]}}"));
    CHECK(instance.trouble.has_value() == (row.reason[0] != '\0'));
    if (instance.trouble) {
      CHECK(instance.trouble->reason == row.reason);
      CHECK(instance.trouble->message == row.message);
    }
    CHECK_FALSE(instance.ready);
  }
}

TEST_CASE(
    "a worker hangs from when its process runs on, and not while its pod waits for a node or an image") {
  struct Row {
    char const* conditions;
    char const* container;
    char const* since;  ///< empty: not at all
    char const* why;
  };
  constexpr char const* kPlaced =
      R"({"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:03:01Z"})";
  for (auto const& row : {
           Row{R"({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"})", "", "",
               "no node has room: a new pod would only wait behind the others"},
           Row{kPlaced, R"({"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}})", "",
               "a new pod would have to wait for the image or the volume as well"},
           Row{kPlaced, R"({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}})", "",
               "and would not get an image that is not there"},
           Row{kPlaced, R"({"restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:04:00Z"}}})",
               "2026-01-01T00:04:00Z", "from its start"},
           Row{kPlaced,
               R"({"restartCount": 3, "state": {"running": {"startedAt": "2026-01-01T00:04:00Z"}},
                   "lastState": {"terminated": {"exitCode": 1}}})",
               "2026-01-01T00:03:01Z", "not anew with each restart"},
           Row{kPlaced,
               R"({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                   "lastState": {"terminated": {"exitCode": 1}}})",
               "2026-01-01T00:03:01Z", "it had its tries"},
           Row{R"({"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:09:00Z"})",
               R"({"restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:04:00Z"}}})",
               "2026-01-01T00:09:00Z", "it was ready until then"},
       }) {
    INFO(row.why);
    auto const instance = worker_instance(pod(
        std::string(R"({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {
      "phase": "Pending", "conditions": [)") +
        row.conditions + R"(], "containerStatuses": [)" + row.container + "]}}"));
    CHECK_FALSE(instance.ready);
    CHECK(instance.not_ready_since.has_value() == (row.since[0] != '\0'));
    if (instance.not_ready_since) CHECK(instance.not_ready_since == ei::parse_rfc3339(row.since).value());
  }
}

TEST_CASE("a pod whose volumes are not there says so, once others would have started") {
  auto const waiting = [](char const* startable) {
    return pod(std::string(R"({"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [
      {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
      {"type": "PodReadyToStartContainers", "status": ")") +
               startable + R"("}], "containerStatuses": [
      {"restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]}})");
  };
  auto const placed = ei::parse_rfc3339("2026-01-01T00:00:00Z").value();
  using namespace std::chrono_literals;
  CHECK_FALSE(start_trouble(waiting("False"), "", placed + 5s));
  // Its volumes are there: it waits for its image.
  CHECK_FALSE(start_trouble(waiting("True"), "", placed + 60s));
  CHECK_FALSE(start_trouble(pod(kReady), "", placed + 60s));
  auto const trouble = start_trouble(waiting("False"), "The Secret x must be there. ", placed + 15s);
  REQUIRE(trouble);
  CHECK(trouble->reason == "ContainerCreating");
  CHECK(
      trouble->message ==
      "its node has not started the pod yet. The Secret x must be there. kubectl describe pod p says what it "
      "waits for");
}

TEST_CASE("what ended more than one try lasts") {
  struct Row {
    char const* container;
    bool lasting;
  };
  for (auto const& row : {
           Row{R"({"restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}})", false},
           Row{R"({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}})", true},
           Row{R"({"restartCount": 0, "state": {"waiting": {"reason": "InvalidImageName"}}})", true},
           Row{R"({"restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                   "lastState": {"terminated": {"exitCode": 1}}})",
               true},
           Row{R"({"restartCount": 1, "state": {"running": {}},
                   "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}})",
               false},
           Row{R"({"restartCount": 2, "state": {"running": {}},
                   "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}})",
               true},
       }) {
    INFO(row.container);
    auto const instance =
        worker_instance(pod(std::string(R"({"metadata": {"name": "p"}, "status": {"containerStatuses": [)") +
                            row.container + "]}}"));
    REQUIRE(instance.trouble);
    CHECK(instance.trouble->lasting == row.lasting);
  }
}

TEST_CASE("a pod and a deployment say which template they are of") {
  CHECK(template_of(
            pod(R"({"metadata": {"name": "p", "annotations": {"elasticinference.dev/template": "a1"}}})")) ==
        "a1");
  CHECK(template_of(pod(kReady)).empty());
}

TEST_CASE("a rollout is overdue when its deployment's controller says so of this very template") {
  auto const deployment = [](int observed) {
    auto const live = ei::parse_json(R"({"metadata": {"name": "d", "generation": 3}, "spec": {"template":
      {"metadata": {"annotations": {"elasticinference.dev/template": "a1"}}}}, "status": {"observedGeneration": )" +
                                     std::to_string(observed) + R"(, "conditions": [
      {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]}})")
                          .value();
    auto object = read_identity(live).value();
    object.content = keep_deployment(live);
    return object;
  };
  auto const current = deployment(3);
  REQUIRE(overdue_of(&current, "a1"));
  CHECK(overdue_of(&current, "a1")->message == "timed out");
  CHECK_FALSE(overdue_of(&current, "b2"));
  auto const before = deployment(2);
  CHECK_FALSE(overdue_of(&before, "a1"));
  CHECK_FALSE(overdue_of(nullptr, "a1"));
}

TEST_CASE("a pod that nobody has room for is a shortage") {
  auto const waiting = pod(R"({"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [
    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]}})");
  auto const shortage = shortage_of(nullptr, {&waiting});
  REQUIRE(shortage);
  CHECK(shortage->reason == "Unschedulable");
  CHECK(shortage->message == "0/3 nodes are available");
  auto const ready = pod(kReady);
  CHECK_FALSE(shortage_of(nullptr, {&ready}));
}

TEST_CASE("a quota that refuses pods is a shortage") {
  auto const live =
      ei::parse_json(R"({"metadata": {"name": "d"}, "spec": {"replicas": 5}, "status": {"conditions": [
    {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}]}})")
          .value();
  auto deployment = read_identity(live).value();
  deployment.content = keep_deployment(live);
  CHECK(wanted_replicas(deployment) == 5);
  CHECK(shortage_of(&deployment, {})->reason == "QuotaExceeded");
}

TEST_CASE("ended pods are told from running ones") {
  CHECK(has_ended(pod(R"({"metadata": {"name": "p"}, "status": {"phase": "Failed"}})")));
  CHECK_FALSE(has_ended(pod(kReady)));
}

TEST_CASE("what is kept of a service is all but the bookkeeping of others") {
  CachedObject service;
  service.content =
      keep_service(ei::parse_json(R"({"metadata": {"name": "s", "managedFields": [1], "annotations": {
    "kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}}, "spec": {"a": 1}, "status": {"b": 2, "lastDecision": {
    "id": "d-1", "measured": "m", "terms": "t", "bound": "b", "whyNotMore": "n", "whyNotLess": "l"}}})")
                       .value());
  CHECK(service.content.is_string());
  auto const kept = read_service(service);
  CHECK(ei::find_member(kept, "metadata.managedFields") == nullptr);
  CHECK(ei::find_member(kept, "metadata.annotations")->as_object().size() == 1);
  CHECK(ei::find_member(kept, "spec.a") != nullptr);
  CHECK(ei::find_member(kept, "status.b") != nullptr);
  CHECK(ei::find_member(kept, "status.lastDecision")->as_object().size() == 1);
}
