"""Scale to zero on a node with real pods: the last worker leaves, and requests bring one back."""

import time

import pytest

from bench.waiting import eventually
from tests.cluster.installed import installation, load, pictures, release, serve, service, status_of  # noqa: F401 (fixtures)


pytestmark = pytest.mark.alone


def wait_idle(release, namespace, name, since=None):
    """Waits until the service sleeps, and with `since` until a wake is among its changes after so many; their number."""
    def idle():
        status = status_of(release, namespace, name)
        ready, = [each for each in status["conditions"] if each["type"] == "Ready"]
        assert (ready["status"], ready["reason"]) == ("True", "Idle"), ready
        assert status["desiredReplicas"] == 0 and status.get("replicas", 0) == 0, status
        workers = f"elasticinference.dev/service={name},app.kubernetes.io/component=worker"
        # One that leaves still takes what comes before its node has told it so.
        assert not release.get("pods", "-n", namespace, "-l", workers)["items"]
        if since is not None:
            made = [each["reason"] for each in status["history"]]
            assert "Woken" in made[: len(made) - since], status["history"]
        return len(status["history"])

    return eventually(idle, 90)


def test_a_service_goes_to_zero_and_is_woken(release, installation, namespace, serve, load, record_property):
    scaling = {"minReplicas": 0, "maxReplicas": 2, "idleAfter": "5s"}
    name = serve(service("sleeper", scaling, dispatcher={"requestTimeout": "60s"}))
    changes = wait_idle(release, namespace, name)
    assert "no worker runs" in release.kubectl("describe", f"eis/{name}", "-n", namespace)

    # By one request.
    seen = load(name, 1, 1).result()
    assert seen["statuses"] == {"200": 1}, seen
    print(f"from the first request to its answer: {seen['p50']} s")
    record_property("cold_start_s", seen["p50"])
    changes = wait_idle(release, namespace, name, changes)

    # By a crowd.
    seen = load(name, 50, 1).result()
    assert seen["statuses"] == {"200": 50}, seen
    changes = wait_idle(release, namespace, name, changes)

    # While the operator is away, which it was when the request came.
    operator = f"deployment/{installation.fullname}"
    pods = f"app.kubernetes.io/component=operator,app.kubernetes.io/instance={installation.release}"
    release.kubectl("scale", operator, "-n", installation.namespace, "--replicas=0")
    release.kubectl("wait", "--for=delete", "pod", "-l", pods, "-n", installation.namespace, "--timeout=60s", timeout=70)
    waiting = load(name, 1, 1)
    time.sleep(2)
    release.kubectl("scale", operator, "-n", installation.namespace, "--replicas=1")
    seen = waiting.result()
    assert seen["statuses"] == {"200": 1}, seen
    wait_idle(release, namespace, name, changes)

    # While the dispatcher is replaced. On another cluster the load goes to one pod of it.
    if not release.provisioned:
        return
    waiting = load(name, 2, 10)
    release.kubectl("rollout", "restart", f"deployment/{name}-dispatcher", "-n", namespace)
    seen = waiting.result()
    assert set(seen["statuses"]) == {"200"}, seen


def test_a_client_is_told_what_keeps_a_worker_from_coming(release, namespace, serve, load):
    scaling = {"minReplicas": 0, "maxReplicas": 2, "idleAfter": "5s"}
    name = serve(service("forbidden", scaling, dispatcher={"requestTimeout": "8s"}))
    changes = wait_idle(release, namespace, name)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
    release.apply(quota, namespace)

    def full():
        assert release.get("resourcequota", "full", "-n", namespace)["status"]["used"]["pods"] == "1"

    eventually(full, 20)
    seen = load(name, 1, 1).result()
    assert seen["statuses"] == {"503": 1}, seen
    assert "no worker came within the deadline: QuotaExceeded" in seen["first_fault"], seen
    conditions = {each["type"]: each for each in status_of(release, namespace, name)["conditions"]}
    assert (conditions["Ready"]["status"], conditions["WorkersReady"]["status"]) == ("False", "False"), conditions
    assert "exceeded quota: full" in conditions["WorkersReady"]["message"], conditions

    release.kubectl("delete", "resourcequota", "full", "-n", namespace)
    wait_idle(release, namespace, name, changes)
    seen = load(name, 1, 1).result()
    assert seen["statuses"] == {"200": 1}, seen


def test_under_external_its_owner_says_zero_and_one(release, namespace, serve, load):
    name = serve(service("owned", {"policy": "External", "minReplicas": 0}, dispatcher={"requestTimeout": "60s"}))
    release.kubectl("scale", f"eis/{name}", "-n", namespace, "--replicas=0")
    wait_idle(release, namespace, name)
    waiting = load(name, 1, 1)
    time.sleep(5)
    assert status_of(release, namespace, name)["desiredReplicas"] == 0, "a request does not wake it"
    release.kubectl("scale", f"eis/{name}", "-n", namespace, "--replicas=1")
    seen = waiting.result()
    assert seen["statuses"] == {"200": 1}, seen
