"""The product as people use it: helm install, apply, POST, load, edit, delete, uninstall, on a node with real pods."""

import json
import shlex
import time

import pytest
import yaml

from bench.waiting import eventually
from tests.cluster.conftest import ROOT
from tests.cluster.core import worker_rate
from tests.cluster.installed import events_of, installation, load, pictures, release, serve, service, small, status_of, uninstall  # noqa: F401 (fixtures)

pytestmark = pytest.mark.alone

# What an InferenceService has made.
CHILDREN = "pods,deployments,replicasets,services,configmaps,poddisruptionbudgets,networkpolicies"


def overload(times):
    """A rate, in pictures a second, so many times what one worker answers; at the most 20, which the machine sends beside it."""
    return min(20, round(times * worker_rate(), 1))


def test_helm_test_passes(release, installation):
    name, system = installation
    assert "Succeeded" in release.helm("test", name, "-n", system, "--timeout", "90s", timeout=100)


def test_the_sample_answers_through_its_service(release, namespace, serve, load):
    sample = yaml.safe_load((ROOT / "crds" / "samples" / "resnet18.yaml").read_text())
    sample["spec"]["worker"] = small()
    name = serve(sample)
    seen = load(name, rate=4, seconds=10).result()
    assert seen["statuses"] == {"200": 40}, seen
    # The model card's accuracy on held-out pictures is higher; this only tells a model from a guess.
    assert seen["right"] >= 34, seen
    _, row = release.kubectl("get", "eis", name, "-n", namespace).splitlines()
    assert row.split()[1] == "True"


def test_load_scales_up_and_calm_scales_down_without_a_failed_request(release, namespace, serve, load):
    scaling = {"queueTarget": 5, "minReplicas": 1, "maxReplicas": 3, "cooldown": "10s", "latencyTarget": "1s"}
    name = serve(service("elastic", scaling))
    busy = load(name, rate=overload(2.2), seconds=60)

    def grown():
        assert status_of(release, namespace, name)["desiredReplicas"] >= 2

    eventually(grown, 55)
    told = status_of(release, namespace, name)["history"][-1]
    assert told["from"] == 1 and told["to"] >= 2 and told["formula"]
    eventually(lambda: events_of(release, namespace, name)["ScaledUp"], 10)
    seen = busy.result()
    assert set(seen["statuses"]) == {"200"}, seen

    calm = load(name, rate=2, seconds=75)

    def shrunk():
        now = status_of(release, namespace, name)
        assert now["desiredReplicas"] == 1 and now["replicas"] == 1

    eventually(shrunk, 90)
    eventually(lambda: events_of(release, namespace, name)["ScaledDown"], 10)
    seen = calm.result()
    assert set(seen["statuses"]) == {"200"}, seen


def test_an_edit_takes_effect_without_a_failed_request(release, namespace, serve, load):
    name = serve(service("edited", {"minReplicas": 1, "maxReplicas": 2}))
    running = load(name, rate=3, seconds=30)
    patch = '{"spec": {"scaling": {"minReplicas": 2}}}'
    release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)

    def in_force():
        now = release.get("eis", name, "-n", namespace)
        assert now["status"]["observedGeneration"] == now["metadata"]["generation"]
        assert now["status"]["readyReplicas"] == 2

    eventually(in_force, 90)
    seen = running.result()
    assert set(seen["statuses"]) == {"200"}, seen


@pytest.mark.parametrize("connections", ["kept", "fresh"])
def test_a_dispatcher_is_replaced_without_a_failed_request(release, namespace, serve, load, connections):
    if not release.provisioned:
        pytest.skip("the load on another cluster goes to one dispatcher's pod, which is replaced here")
    name = serve(service("replaced", {"minReplicas": 1, "maxReplicas": 1}))
    running = load(name, 3, 40, *(["--fresh"] if connections == "fresh" else []))
    patch = '{"spec": {"dispatcher": {"queueCapacity": 77}}}'
    release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)

    def changed():
        pod = release.get("deploy", f"{name}-dispatcher", "-n", namespace)["spec"]["template"]["spec"]
        assert "77" in pod["containers"][0]["args"]

    eventually(changed, 10)
    release.kubectl("rollout", "status", f"deploy/{name}-dispatcher", "-n", namespace, "--timeout=60s", timeout=70)
    seen = running.result()
    assert set(seen["statuses"]) == {"200"}, seen


def test_external_obeys_scale_and_an_hpa(release, namespace, serve, load):
    scaling = {"policy": "External", "minReplicas": 1, "maxReplicas": 3}
    name = serve(service("external", scaling))
    release.kubectl("scale", f"eis/{name}", "-n", namespace, "--replicas=2")

    def workers(count):
        assert status_of(release, namespace, name)["readyReplicas"] == count

    eventually(lambda: workers(2), 60)
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "elasticinference.dev/v1alpha1",
                "kind": "InferenceService",
                "name": name,
            },
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 30}}}
            ],
        },
    }
    release.apply(hpa, namespace)
    load(name, rate=overload(2.2), seconds=90)

    def moved():
        assert release.get("eis", name, "-n", namespace)["spec"]["replicas"] == 3
        workers(3)

    eventually(moved, 120, 1)


def test_what_is_deleted_or_edited_by_hand_comes_back(release, namespace, serve):
    name = serve(service("drifting", {"minReplicas": 1, "maxReplicas": 1}))
    before = release.get("deploy", f"{name}-worker", "-n", namespace)["metadata"]["uid"]
    release.kubectl("delete", "deploy", f"{name}-worker", "-n", namespace, "--wait=false", "--cascade=orphan")

    def back():
        assert release.get("deploy", f"{name}-worker", "-n", namespace)["metadata"]["uid"] != before

    eventually(back, 10)
    release.kubectl("scale", f"deploy/{name}-worker", "-n", namespace, "--replicas=3")

    def right():
        assert release.get("deploy", f"{name}-worker", "-n", namespace)["spec"]["replicas"] == 1

    eventually(right, 10)
    release.kubectl("delete", "service", name, f"{name}-link", "-n", namespace)
    eventually(lambda: release.get("service", name, f"{name}-link", "-n", namespace), 10)


def status_of_link(release, address, token):
    """What a dispatcher answers to somebody who wants a worker link."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2", *given, f"http://{address}:8002/link"]
    return release.harness("exec", "--", "sh", "-c", f"{shlex.join(curl)} || true").strip()


def test_a_dispatcher_lets_in_its_own_workers_alone(release, namespace, serve):
    if not release.provisioned:
        pytest.skip("the worker link of another cluster cannot be reached from here")
    name = serve(service("guarded", {"minReplicas": 1, "maxReplicas": 1}))
    uid = release.get("eis", name, "-n", namespace)["metadata"]["uid"]
    own = f"elasticinference.dev/link/{namespace}/{name}/{uid}"
    selector = "elasticinference.dev/service=" + name + ",app.kubernetes.io/component="
    (dispatcher,) = release.get("pods", "-n", namespace, "-l", selector + "dispatcher")["items"]
    (worker,) = release.get("pods", "-n", namespace, "-l", selector + "worker")["items"]
    address, pod = dispatcher["status"]["podIP"], worker["metadata"]["name"]

    def token(audience, *bound, account="default"):
        given = ["--audience", audience] if audience else []
        return release.kubectl("create", "token", account, "-n", namespace, *given, *bound).strip()

    bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
    assert status_of_link(release, address, token(own, *bound)) == "101"
    assert status_of_link(release, address, None) == "401"
    assert status_of_link(release, address, token(None, *bound)) == "401"
    assert status_of_link(release, address, token(own + "x", *bound)) == "401"
    assert status_of_link(release, address, token(own.replace(name, "other"), *bound)) == "401"
    assert status_of_link(release, address, token(own)) == "401"  # of no pod
    release.kubectl("create", "serviceaccount", "builder", "-n", namespace)
    assert status_of_link(release, address, token(own, account="builder")) == "401"
    logs = release.kubectl("logs", f"deploy/{name}-dispatcher", "-n", namespace)
    refused = [json.loads(line)["reason"] for line in logs.splitlines() if '"link_refused"' in line]
    # Five at once; of the sixth, within ten seconds, only the number is told later.
    assert len(refused) >= 5 and all("token" in each for each in refused), refused


def test_pods_of_a_release_with_a_shared_token_are_served_while_they_are_replaced(release, namespace, serve, load):
    """The Secret of a release before signed tokens, where one is left, is taken by both sides."""
    if not release.provisioned:
        pytest.skip("the worker link of another cluster cannot be reached from here")
    name = serve(service("upgraded", {"minReplicas": 1, "maxReplicas": 2}))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{name}-link-token"}, "stringData": {"token": "of-before"}}
    release.apply(secret, namespace)
    pod = release.get("pods", "-n", namespace, "-l", f"elasticinference.dev/service={name},app.kubernetes.io/component=dispatcher")["items"][0]
    assert status_of_link(release, pod["status"]["podIP"], "of-after") == "401"
    # A kubelet looks at what it has mounted about once a minute.
    eventually(lambda: expect(status_of_link(release, pod["status"]["podIP"], "of-before") == "101"), 150, 5)
    release.kubectl("delete", "secret", f"{name}-link-token", "-n", namespace)
    eventually(lambda: expect(status_of_link(release, pod["status"]["podIP"], "of-before") == "401"), 150, 5)
    seen = load(name, rate=3, seconds=5).result()
    assert set(seen["statuses"]) == {"200"}, seen


def expect(condition):
    assert condition


def test_a_quota_that_forbids_pods_is_told_in_its_words(release, namespace):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    release.apply(quota, namespace)
    eventually(lambda: release.get("quota", "full", "-n", namespace)["status"]["used"]["pods"], 20)
    release.apply(service("forbidden", {"minReplicas": 1, "maxReplicas": 1}), namespace)

    def told():
        conditions = {each["type"]: each for each in status_of(release, namespace, "forbidden")["conditions"]}
        assert conditions["DispatcherReady"]["status"] == "False"
        assert "exceeded quota: full" in conditions["DispatcherReady"]["message"]

    eventually(told, 60, 1)


def test_workers_that_no_node_has_room_for_wait_and_are_told(release, namespace):
    """A new pod would only wait behind the others, and a cluster autoscaler is making room for this one."""
    most = {"resources": {"cpu": "64", "memory": "1Ti"}}
    release.apply(service("large", {"minReplicas": 1, "maxReplicas": 1}, worker=most), namespace)

    def told():
        limited = {each["type"]: each for each in status_of(release, namespace, "large")["conditions"]}["ScalingLimited"]
        assert (limited["status"], limited["reason"]) == ("True", "Unschedulable")
        assert "Insufficient" in limited["message"]

    def workers():
        found = release.get("pods", "-n", namespace, "-l", "app.kubernetes.io/component=worker")["items"]
        return [each["metadata"]["uid"] for each in found]

    eventually(told, 60, 1)
    first = workers()
    time.sleep(20)  # a worker that hangs would be replaced after fifteen
    assert workers() == first != []
    assert "WorkerReplaced" not in events_of(release, namespace, "large")


def test_weights_that_cannot_be_fetched_are_told_in_the_workers_words(release, namespace):
    # The top-level domain in which no name is ever given (RFC 6761).
    nowhere = {"uri": "https://models.invalid/resnet18.pth"}
    release.apply(service("nowhere", {"minReplicas": 1, "maxReplicas": 1}, model=nowhere), namespace)

    def told():
        workers = {each["type"]: each for each in status_of(release, namespace, "nowhere")["conditions"]}["WorkersReady"]
        assert "cannot_load" in workers["message"] and "models.invalid" in workers["message"], workers

    eventually(told, 120, 1)


def test_requests_are_answered_while_the_operator_is_away(release, installation, namespace, serve, load):
    name = serve(service("alone", {"minReplicas": 1, "maxReplicas": 1}))
    running = load(name, rate=3, seconds=20)
    operator = ("-l", f"app.kubernetes.io/component=operator,app.kubernetes.io/instance={installation.release}")
    release.kubectl("delete", "pod", "-n", installation.namespace, *operator, "--grace-period=0", "--force")
    seen = running.result()
    assert set(seen["statuses"]) == {"200"}, seen
    rollout = ("rollout", "status", f"deploy/{installation.fullname}", "-n", installation.namespace, "--timeout=60s")
    release.kubectl(*rollout, timeout=70)
    release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", '{"spec": {"scaling": {"paused": true}}}')

    def obeyed():
        conditions = {each["type"]: each["status"] for each in status_of(release, namespace, name)["conditions"]}
        assert conditions["Paused"] == "True"

    # A killed leader releases nothing: its successor waits for the lease to run out.
    eventually(obeyed, 45)


def test_a_restart_of_the_api_server_disturbs_nobody(release, namespace, serve, load):
    if not release.provisioned:
        pytest.skip("would restart the API server of a cluster that is not ours")
    name = serve(service("steady", {"minReplicas": 1, "maxReplicas": 2}))
    pods = {each["metadata"]["uid"] for each in release.get("pods", "-n", namespace)["items"]}
    running = load(name, rate=3, seconds=20)
    release.harness("restart", "kube-apiserver")
    seen = running.result()
    assert set(seen["statuses"]) == {"200"}, seen

    def followed():
        assert status_of(release, namespace, name)["desiredReplicas"] == 2

    eventually(lambda: release.kubectl("get", "--raw", "/readyz"), 60)
    patch = '{"spec": {"scaling": {"minReplicas": 2}}}'
    release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)
    eventually(followed, 30)
    assert pods <= {each["metadata"]["uid"] for each in release.get("pods", "-n", namespace)["items"]}


def test_an_upgrade_of_the_operator_leaves_services_alone(release, installation, namespace, serve):
    name = serve(service("kept", {"minReplicas": 1, "maxReplicas": 1}))
    pods = {each["metadata"]["uid"] for each in release.get("pods", "-n", namespace)["items"]}
    options = ("--reuse-values", "--set", "logLevel=debug", "--wait", "--timeout", "90s")
    release.helm("upgrade", installation.release, ROOT / "helm", "-n", installation.namespace, *options, timeout=100)
    patch = '{"spec": {"scaling": {"paused": true}}}'
    release.kubectl("patch", "eis", name, "-n", namespace, "--type=merge", "-p", patch)

    def obeyed():
        conditions = {each["type"]: each["status"] for each in status_of(release, namespace, name)["conditions"]}
        assert conditions["Paused"] == "True"

    eventually(obeyed, 30)
    assert pods == {each["metadata"]["uid"] for each in release.get("pods", "-n", namespace)["items"]}


def test_a_deleted_service_is_gone_within_30_seconds(release, namespace, serve):
    name = serve(service("leaving", {"minReplicas": 1, "maxReplicas": 1}))
    mine = ("get", CHILDREN, "-n", namespace, "-l", f"elasticinference.dev/service={name}", "-o", "name")
    assert len(release.kubectl(*mine).split()) >= 9
    release.kubectl("delete", "eis", name, "-n", namespace, "--wait=false")
    started = time.monotonic()

    def gone():
        assert release.kubectl(*mine).split() == []

    eventually(gone, 30)
    print(f"gone after {time.monotonic() - started:.1f} s")


def test_an_uninstall_leaves_nothing_of_the_release_nor_of_a_service(release, installation, namespace, serve):
    """The last of this file: there is no operator after it."""
    serve(service("orphaned", {"minReplicas": 1, "maxReplicas": 1}))
    name, system = installation
    of_release = f"app.kubernetes.io/instance={name}"

    def left():
        found = []
        for scope in ("true", "false"):
            kinds = ("api-resources", f"--namespaced={scope}", "--verbs=list", "-o", "name", "--cached=false")
            # Metrics and events are no objects that somebody has to remove.
            kinds = [each for each in release.kubectl(*kinds).split() if not each.startswith(("events", "pods.metrics"))]
            where = ("-n", system) if scope == "true" else ()
            labelled = ("get", ",".join(kinds), *where, "-l", of_release, "-o", "name", "--ignore-not-found")
            found += release.kubectl(*labelled).split()
        # Updates of a Lease may have taken its labels.
        found += release.kubectl("get", "leases", "-n", system, "-o", "name").split()
        managed = ("-l", "app.kubernetes.io/managed-by=inference-operator")
        return found + release.kubectl("get", CHILDREN, "-n", namespace, *managed, "-o", "name").split()

    assert len(left()) > 15
    uninstall(release, installation)

    def nothing():
        assert left() == []

    # A worker's pod has its request timeout and ten seconds to end.
    eventually(nothing, 60, 1)
